"""What the page computes KPIs from: the counts of a snapshot's windows, or of a period."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from math import isnan

from exporter.domain.definitions import Definitions
from exporter.domain.kpis import Formula, Number, Unit
from exporter.domain.layout import TOTAL_ROW, Layout
from exporter.domain.tally import Counts
from exporter.metrics.periods import Period
from exporter.metrics.snapshot import Snapshot
from exporter.web.page.formatting import change_words, day_words, window_words

_LATE = timedelta(days=0.1)  # a day: how late data may begin, for a change that tells something


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What KPIs are computed from: the total's counts of ranges by the words for them.

    `main` is the range of headline and flows; `before`: the total of the range before it, if that
    is known whole. `segments`: segment -> counts of the main range and of that before, in the
    order in which they are configured, those without any last.
    """

    layout: Layout
    definitions: Definitions
    ranges: Mapping[str, Counts]
    main: str
    before: Counts | None
    segments: Mapping[str, tuple[Counts, Counts]]
    days: Mapping[date, Counts]


def counted_of(snapshot: Snapshot, period: Period | None) -> Counted:
    """Return the counts of the period, or of the snapshot's windows where there is none."""
    if period is None:
        longest = max(snapshot.spans, key=lambda window: window.hours).name
        return Counted(
            layout=snapshot.layout,
            definitions=snapshot.definitions,
            ranges={
                window_words(window): rows[TOTAL_ROW] for window, rows in snapshot.windows.items()
            },
            main=window_words(longest),
            before=None,
            segments={},
            days=snapshot.days,
        )
    now, before = f"last {period.length} whole days", f"{period.length} days before"
    comparable = _comparable(period)
    if not comparable and period.since:
        before += f", data from {day_words(period.since)}"
    attempts = period.layout.attempts
    return Counted(
        layout=period.layout,
        definitions=period.definitions,
        ranges={now: period.now[TOTAL_ROW], before: period.before[TOTAL_ROW]},
        main=now,
        before=period.before[TOTAL_ROW] if comparable else None,
        segments={
            row[1]: (counts, period.before[row])
            for row, counts in sorted(
                period.now.items(),
                key=lambda one: attempts not in one[1] and attempts not in period.before[one[0]],
            )
            if row != TOTAL_ROW
        },
        days=period.days,
    )


def _comparable(period: Period) -> bool:
    """Return whether the data reach back to about the beginning of the days before."""
    begin = min(period.days) - timedelta(days=period.length)
    return period.since is not None and period.since <= begin + period.length * _LATE


def defined(number: Number) -> float | None:
    """Return a value; None for one that is undefined."""
    return None if isnan(number.value) else number.value


def change(formula: Formula, unit: Unit, counts: Counts, before: Counts | None) -> str:
    """Return the change against the range before in words; empty where there is none to compare."""
    if before is None:
        return ""
    return change_words(defined(formula.of(counts)), defined(formula.of(before)), unit)
