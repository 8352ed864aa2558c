"""Periods: some whole days and as many before them, read from a store."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.definitions import Definitions
from exporter.domain.layout import TOTAL_ROW, Layout
from exporter.domain.reports import InvalidSegmentation
from exporter.domain.tally import Counts, add
from exporter.domain.windows import day_of, first_hour_of
from exporter.ports import TallyStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """What was counted on `length` whole days, and on as many before them.

    `days`: the total's counts of each day of the period and of the day after it, which is still
    going on. `now` and `before`: (segmentation, segment) -> counts, the total first, then every
    segment of the segmentation in the order in which they are configured.
    """

    definitions: Definitions
    layout: Layout
    length: int
    segmentation: str | None
    days: Mapping[date, Counts]
    now: Mapping[tuple[str, str], Counts]
    before: Mapping[tuple[str, str], Counts]


def read_period(
    store: TallyStore,
    evaluator: Evaluator,
    *,
    today: date,
    length: int,
    segmentation: str | None = None,
) -> Period:
    """Read the `length` days before `today`, as much as a report of twice as many days would.

    Raises `InvalidSegmentation`, `StoreError`.
    """
    by = evaluator.definitions.segmentation(segmentation) if segmentation else None
    if segmentation and by is None:
        raise InvalidSegmentation(segmentation)
    first = today - timedelta(days=length)
    rows = [TOTAL_ROW]
    if by is not None:
        rows.extend((by.name, segment) for segment in by.all_segments)
    now: dict[tuple[str, str], Counts] = {row: {} for row in rows}
    before: dict[tuple[str, str], Counts] = {row: {} for row in rows}
    days: dict[date, Counts] = {first + timedelta(days=n): {} for n in range(length + 1)}
    for period in store.by_day(
        first_hour_of(first - timedelta(days=length)),
        first_hour_of(today + timedelta(days=1)),
        ("", by.name) if by else ("",),
    ):
        row, day = (period.segmentation, period.segment), day_of(period.start)
        if row == TOTAL_ROW and day in days:
            days[day] = period.counts
        if day < today and row in now:
            add((now if day >= first else before)[row], period.counts)
    return Period(
        definitions=evaluator.definitions,
        layout=evaluator.layout,
        length=length,
        segmentation=segmentation,
        days=days,
        now=now,
        before=before,
    )
