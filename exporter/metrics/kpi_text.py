"""The KPIs of a snapshot in Prometheus' text format.

Names and labels of thousands of series stay what they are: only values are written each time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from prometheus_client.utils import floatToGoString

from exporter.domain.kpis import KPIS, Formula
from exporter.domain.layout import Layout
from exporter.domain.windows import Window
from exporter.metrics.families import SEGMENTS, TOTALS, Family
from exporter.metrics.snapshot import Snapshot

_written = lru_cache(maxsize=10_000)(floatToGoString)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """The series of a family that a segment (or the total) has in a window.

    `series`: name and labels as written, and the formula of the value.
    """

    window: str
    segment: tuple[str, str]
    series: Sequence[tuple[str, Formula]]


def kpi_text(snapshot: Snapshot) -> str:
    """Write every KPI family as the client library does, in a fraction of its time."""
    parts: list[str] = []
    for lines, rows in _families(snapshot.layout, snapshot.spans):
        parts.append(lines)
        for row in rows:
            counts = snapshot.windows[row.window][row.segment]
            parts += [
                f"{text} {_written(formula.of(counts).value)}\n" for text, formula in row.series
            ]
    return "".join(parts)


@lru_cache(maxsize=2)  # while definitions change there are two
def _families(
    layout: Layout, spans: tuple[Window, ...]
) -> tuple[tuple[str, tuple[_Row, ...]], ...]:
    return tuple(
        (family.head, tuple(_rows(family, layout, spans))) for family in (*TOTALS, *SEGMENTS)
    )


def _rows(family: Family, layout: Layout, spans: Sequence[Window]) -> Iterator[_Row]:
    formulas = KPIS[family.kpi].formulas(layout)
    segments = layout.segments[1:] if family.segmented else layout.segments[:1]
    # All but the window is the same in each window, and is written once.
    names = {
        segment: [
            family.series(sorted(family.labelled("", *of_segment, *formula.labels)))
            for formula in formulas
        ]
        for segment in segments
        for of_segment in (segment if family.segmented else (),)
    }
    for span in spans:
        if span.by_segment or not family.segmented:
            window = f'window="{span.name}"'
            for segment, texts in names.items():
                of_window = [text.replace('window=""', window) for text in texts]
                series = tuple(zip(of_window, formulas, strict=True))
                yield _Row(window=span.name, segment=segment, series=series)
