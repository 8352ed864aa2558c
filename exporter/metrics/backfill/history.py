"""The history: every KPI at every instant of a range, as OpenMetrics.

A series' samples stand together and in order, as the format wants it and as the blocks'
maker needs it; the KPIs come hour by hour. A spool on disk turns the one into the other.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import BinaryIO

from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.kpis import KPIS
from exporter.domain.layout import Layout
from exporter.domain.reports import Milestone, milestone_labels
from exporter.domain.tally import Counts
from exporter.domain.windows import Window
from exporter.metrics.backfill.grid import Grid
from exporter.metrics.backfill.sliding_windows import Rows, slide
from exporter.metrics.backfill.spool import Spool
from exporter.metrics.families import MILESTONE, SEGMENTS, TOTALS, Family
from exporter.ports import TallyStore

EOF = b"# EOF\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Series:
    """One series: its name with all its labels, and its column in the spool."""

    text: str
    column: int


class History:
    """Computes a range's KPIs into a spool, then writes them out: `compute`, then `write`.

    `labels` are those that Prometheus gives to what it scrapes: `job` and `instance`. Memory
    depends on the windows and the series, not on the range.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        *,
        windows: Sequence[Window],
        milestones: Sequence[Milestone],
        grid: Grid,
        labels: Mapping[str, str],
        spool: BinaryIO,
    ) -> None:
        self._evaluator = evaluator
        self._windows = windows
        self._grid = grid
        self._labels = labels
        self._marks = [mark.timestamp for mark in milestones]
        self._hours = [hour for hour in grid.hours if grid.seconds_in(hour)]
        self._families: dict[Family, list[_Series]] = {}
        self._name_series(milestones)
        self._spool = Spool(spool, self.series)

    @property
    def series(self) -> int:
        """How many series there are."""
        return sum(map(len, self._families.values()))

    @property
    def hours(self) -> int:
        """How many hours there are to be computed."""
        return len(self._hours)

    def _name_series(self, milestones: Sequence[Milestone]) -> None:
        """List the series of each family, in the order in which `_values` yields their values."""
        layout = self._evaluator.layout
        self._families = {family: [] for family in (*TOTALS, *SEGMENTS, MILESTONE)}
        column = 0
        for window in self._windows:
            for row in _rows(layout, window):
                for family in _families_of(layout, row):
                    of_row = row if family.segmented else ()
                    for formula in KPIS[family.kpi].formulas(layout):
                        text = self._named(family, window.name, *of_row, *formula.labels)
                        self._families[family].append(_Series(text=text, column=column))
                        column += 1
        for label in milestone_labels(milestones):
            text = self._named(MILESTONE, label)
            self._families[MILESTONE].append(_Series(text=text, column=column))
            column += 1

    def _named(self, family: Family, *values: str) -> str:
        labels = {**dict(family.labelled(*values)), **self._labels}
        return family.series(labels.items())

    def compute(self, store: TallyStore) -> Iterator[int]:
        """Compute the KPIs of every hour; yields after each how many are done.

        Raises `StoreError`, and `OSError` for the spool.
        """
        requested = set(self._hours)
        done = 0
        for hour, windows in slide(store, self._evaluator.layout, self._windows, self._grid.hours):
            if hour in requested:
                self._spool.append(self._values(windows))
                done += 1
                yield done

    def _values(self, windows: Mapping[str, Rows]) -> Iterator[float]:
        layout = self._evaluator.layout
        for window in self._windows:
            shown = _rows(layout, window)
            for row, counts in zip(shown, windows[window.name], strict=False):
                yield from self._values_of(_families_of(layout, row), counts)
        yield from self._marks

    def _values_of(self, families: Sequence[Family], counts: Counts) -> Iterator[float]:
        for family in families:
            for formula in KPIS[family.kpi].formulas(self._evaluator.layout):
                yield formula.of(counts).value

    def write(self, out: BinaryIO) -> Iterator[int]:
        """Write everything; yields after each series how many are done. Raises `OSError`."""
        ends = [[f" {at}\n" for at in self._grid.seconds_in(hour)] for hour in self._hours]
        done = 0
        for family, series in self._families.items():
            if not series:
                continue
            out.write(family.head.encode())
            for one in series:
                for value, at in zip(self._spool.column(one.column), ends, strict=True):
                    sample = f"{one.text} {_written(value)}"
                    out.write("".join([sample + end for end in at]).encode())
                done += 1
                yield done
        out.write(EOF)


def _rows(layout: Layout, window: Window) -> Sequence[tuple[str, str]]:
    return layout.segments if window.by_segment else layout.segments[:1]


def _families_of(layout: Layout, row: tuple[str, str]) -> Sequence[Family]:
    return TOTALS if row == layout.segments[0] else SEGMENTS


def _written(value: float) -> str:
    return "NaN" if isnan(value) else repr(value)
