"""Snapshots: the counts behind the KPIs of every window at one instant."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.definitions import Definitions
from exporter.domain.interaction import HOURS_PER_DAY, Hour
from exporter.domain.layout import Layout
from exporter.domain.tally import Counts, FixedCounts, add
from exporter.domain.windows import Window, day_of, hour_of
from exporter.ports import PeriodCounts, TallyStore

CHART_DAYS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What the exposed KPIs are computed from. Never changes once it is made.

    `windows`: window name -> (segmentation, segment) -> counts, every known segment there;
    `days`: the total's counts of each of the last 30 days, days without interactions too.
    """

    taken: datetime
    definitions: Definitions
    layout: Layout
    spans: tuple[Window, ...]
    windows: Mapping[str, Mapping[tuple[str, str], Counts]]
    days: Mapping[date, Counts]


def take_snapshot(
    store: TallyStore, evaluator: Evaluator, windows: Sequence[Window], now: datetime
) -> Snapshot:
    """Add up the windows that end with the hour of `now`. Raises `StoreError`.

    Longer windows are a shorter one and the hours before it, so no hour is read twice; the
    work does not depend on how much the store holds.
    """
    end = hour_of(now) + 1
    sums: dict[tuple[str, str], Counts] = {row: {} for row in evaluator.layout.segments}
    result: dict[str, Mapping[tuple[str, str], Counts]] = {}
    covered = end
    for window in sorted(windows, key=lambda window: window.hours):
        add_up(sums, store.total(end - window.hours, covered))
        covered = end - window.hours
        result[window.name] = {row: FixedCounts(counts) for row, counts in sums.items()}
    return Snapshot(
        taken=now,
        definitions=evaluator.definitions,
        layout=evaluator.layout,
        spans=tuple(windows),
        windows={window.name: result[window.name] for window in windows},
        days=_days(store, end),
    )


def add_up(sums: Mapping[tuple[str, str], Counts], more: Iterable[PeriodCounts]) -> None:
    """Add counts to the sums of their segments; those of unknown segments are left out."""
    for row in more:
        into = sums.get((row.segmentation, row.segment))
        if into is not None:
            add(into, row.counts)


def _days(store: TallyStore, end: Hour) -> Mapping[date, Counts]:
    after = -(-end // HOURS_PER_DAY) * HOURS_PER_DAY
    first = after - CHART_DAYS * HOURS_PER_DAY
    counts: dict[date, Counts] = {day_of(first) + timedelta(days=n): {} for n in range(CHART_DAYS)}
    for row in store.by_day(first, after, ("",)):
        counts[day_of(row.start)] = row.counts
    return counts
