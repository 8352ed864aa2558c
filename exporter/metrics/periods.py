"""Periods: the last whole days and as many before them, added up in advance for the page."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TypeAlias

import msgspec

from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.definitions import Definitions
from exporter.domain.layout import TOTAL_ROW, Layout
from exporter.domain.reports import InvalidSegmentation
from exporter.domain.tally import Counts
from exporter.domain.windows import day_of, first_hour_of
from exporter.metrics.snapshot import add_up
from exporter.ports import PeriodCounts, TallyStore

PERIODS_DAYS = (7, 30, 90)
DEFAULT_PERIOD_DAYS = 30

_Rows: TypeAlias = dict[tuple[str, str], Counts]
_Segments: TypeAlias = dict[str, tuple[Counts, Counts]]
_TOTAL = TOTAL_ROW[0]
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(_Segments).decode
_unpack_days = msgspec.msgpack.Decoder(list[Counts]).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """What was counted on `length` whole days, and on as many before them.

    `days`: the total's counts of each day of the period and of the day after it, which is still
    going on; `since` is the first day on which anything was counted, as far as is known.
    `now` and `before`: (segmentation, segment) -> counts, the total first, then every segment of
    the segmentation in the order in which they are configured.
    """

    definitions: Definitions
    layout: Layout
    length: int
    segmentation: str | None
    days: Mapping[date, Counts]
    since: date | None
    now: Mapping[tuple[str, str], Counts]
    before: Mapping[tuple[str, str], Counts]


@dataclass(frozen=True, slots=True, kw_only=True)
class Periods:
    """What was counted on the 7, 30 and 90 days before `today`, and on as many before them.

    Packed, for most of it is never looked at: `segments` holds what was counted in each segment by
    the period's length and the segmentation, `days` the total's counts of each day of the longest
    period and today; `since` is the first day on which anything was counted.
    """

    definitions: Definitions
    layout: Layout
    today: date
    segments: Mapping[tuple[int, str], bytes]
    days: bytes
    since: date | None

    def period(self, length: int, segmentation: str | None = None) -> Period:
        """Return one of the periods, by one segmentation or none. Raises `InvalidSegmentation`."""
        by = self.definitions.segmentation(segmentation) if segmentation else None
        if segmentation and by is None:
            raise InvalidSegmentation(segmentation)
        counted = {
            (name, segment): counts
            for name in (_TOTAL, *((by.name,) if by else ()))
            for segment, counts in _unpack(self.segments[length, name]).items()
        }
        days = _unpack_days(self.days)[-length - 1 :]
        first = self.today - timedelta(days=length)
        return Period(
            definitions=self.definitions,
            layout=self.layout,
            length=length,
            segmentation=segmentation,
            days={first + timedelta(days=n): of for n, of in enumerate(days)},
            since=self.since,
            now={row: now for row, (now, _) in counted.items()},
            before={row: before for row, (_, before) in counted.items()},
        )


def take_periods(store: TallyStore, evaluator: Evaluator, today: date) -> Periods:
    """Add up the days before `today`. Raises `StoreError`.

    A longer period is a shorter one and the days before it. The work does not depend on how much
    the store holds.
    """
    layout = evaluator.layout
    now: _Rows = {row: {} for row in layout.segments}
    segments: dict[tuple[int, str], bytes] = {}
    covered = 0
    for length in PERIODS_DAYS:
        before: _Rows = {row: {} for row in layout.segments}
        add_up(now, _counted(store, today, length, covered))
        add_up(before, _counted(store, today, 2 * length, length))
        covered = length
        for name in dict.fromkeys(name for name, _ in layout.segments):
            segments[length, name] = _pack(
                {row[1]: (now[row], before[row]) for row in layout.segments if row[0] == name}
            )
    days = _days(store, today)
    return Periods(
        definitions=evaluator.definitions,
        layout=layout,
        today=today,
        segments=segments,
        days=_pack(list(days.values())[-max(PERIODS_DAYS) - 1 :]),
        since=next((day for day, counts in days.items() if counts), None),
    )


def _counted(store: TallyStore, today: date, first: int, end: int) -> Iterable[PeriodCounts]:
    """Add up from `first` days before today until `end` days before it."""
    return store.total(
        first_hour_of(today - timedelta(days=first)), first_hour_of(today - timedelta(days=end))
    )


def _days(store: TallyStore, today: date) -> Mapping[date, Counts]:
    """Return the total's counts of each day of all periods, and of today."""
    first, end = today - timedelta(days=2 * max(PERIODS_DAYS)), today + timedelta(days=1)
    days: dict[date, Counts] = {first + timedelta(days=n): {} for n in range((end - first).days)}
    for row in store.by_day(first_hour_of(first), first_hour_of(end), (_TOTAL,)):
        days[day_of(row.start)] = row.counts
    return days
