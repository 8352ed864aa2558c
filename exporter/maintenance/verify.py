"""Verification: what a store has counted, against what its interactions come to.

Both are streams, read day by day. An exporter may import meanwhile, so that the two are not
of one instant: a day that differs is looked at again, and is wrong only if that finds the same.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from heapq import merge as merge_sorted
from itertools import groupby
from operator import attrgetter

from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.interaction import HOURS_PER_DAY, MS_PER_HOUR, Hour, StoredInteraction
from exporter.domain.portions import portions
from exporter.domain.tally import Key, Tally, merge
from exporter.domain.windows import joined
from exporter.ports import PeriodCounts, Store

LOOKS = 5  # at a day that goes on changing, or differs again once it was repaired
_PORTION = 5_000  # interactions counted at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A count that is wrong; it is of so many `hours` from `start` on, 1 or 24."""

    start: Hour
    hours: int
    segmentation: str
    segment: str
    slot: int
    held: int
    right: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What was found about a day that begins with the hour `start`."""

    start: Hour
    interactions: int
    right: Tally
    differences: tuple[Difference, ...]


class Verification:
    """Verifies full days: `check` them once, then ask for what is `wrong`.

    Memory does not depend on the range. `restless` counts the days that never stood still for
    as long as it takes to look twice. Methods raise `StoreError`.
    """

    def __init__(self, store: Store, evaluator: Evaluator, start: Hour, end: Hour) -> None:
        self._store = store
        self._evaluator = evaluator
        self._range = start, end
        self._suspects: dict[Hour, int] = {}
        self.restless = 0

    def check(self) -> Iterator[int]:
        """Check every day; yield after each how many interactions were counted so far."""
        interactions = 0
        for day in _days(self._store, self._evaluator, *self._range):
            interactions += day.interactions
            if day.differences:
                self._suspects[day.start] = hash(day.differences)
            yield interactions

    def wrong(self, *, repair: bool) -> Iterator[Difference]:
        """Yield what is wrong; with `repair`, it is right before the next day's is yielded.

        What was repaired is looked at once more: an import may have come between.
        """
        suspects = self._suspects
        for _ in range(LOOKS):
            again: dict[Hour, int] = {}
            repaired = []
            for day in self._once_more(suspects):
                if hash(day.differences) != suspects[day.start]:
                    again[day.start] = hash(day.differences)
                    continue
                yield from day.differences
                if repair:
                    self._repair(day)
                    repaired.append(day.start)
            again |= {day.start: hash(day.differences) for day in self._once_more(repaired)}
            suspects = again
        self.restless = len(suspects)

    def _once_more(self, starts: Collection[Hour]) -> Iterator[Day]:
        """Return those of these days that differ now."""
        for start, end in joined((start, start + HOURS_PER_DAY) for start in sorted(starts)):
            for day in _days(self._store, self._evaluator, start, end):
                if day.differences:
                    yield day

    def _repair(self, day: Day) -> None:
        """Correct its hours, and the day's own count with them."""
        hours = {d.start for d in day.differences}
        right = {key: counts for key, counts in day.right.items() if key.hour in hours}
        self._store.repair(hours, right)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One of the three things that are known of a day."""

    day: Hour
    tally: Tally
    of: str
    interactions: int = 0


def _days(store: Store, evaluator: Evaluator, start: Hour, end: Hour) -> Iterator[Day]:
    """Return every day of which anything is held."""
    streams = (
        _held(store.by_day(start, end), "day"),
        _held(store.by_hour(start, end), "hours"),
        _counted(store.interactions(start * MS_PER_HOUR, end * MS_PER_HOUR), evaluator),
    )
    by_day = attrgetter("day")
    for day, parts in groupby(merge_sorted(*streams, key=by_day), by_day):
        tallies: dict[str, Tally] = {"day": {}, "hours": {}, "right": {}}
        interactions = 0
        for part in parts:
            tallies[part.of] = part.tally
            interactions += part.interactions
        differences = (
            *_differences(tallies["hours"], tallies["right"]),
            *_differences_of_day(day, **tallies),
        )
        yield Day(
            start=day,
            interactions=interactions,
            right=tallies["right"],
            differences=differences,
        )


def _held(sums: Iterator[PeriodCounts], of: str) -> Iterator[_Part]:
    for day, of_day in groupby(sums, lambda sum_: _day_of(sum_.start)):
        yield _Part(day=day, tally={Key(*sum_[:3]): sum_.counts for sum_ in of_day}, of=of)


def _counted(interactions: Iterator[StoredInteraction], evaluator: Evaluator) -> Iterator[_Part]:
    for day, of_day in groupby(interactions, lambda i: _day_of(i.timestamp_ms // MS_PER_HOUR)):
        tally: Tally = {}
        n = 0
        for portion in portions(of_day, _PORTION):
            merge(tally, evaluator.tally_stored(portion))
            n += len(portion)
        yield _Part(day=day, tally=tally, of="right", interactions=n)


def _day_of(hour: Hour) -> Hour:
    return hour - hour % HOURS_PER_DAY


def _differences(held: Tally, right: Tally, hours: int = 1) -> Iterator[Difference]:
    change: Tally = {}
    merge(change, right)
    merge(change, held, -1)
    for key in sorted(change):
        for slot in sorted(change[key]):
            yield Difference(
                start=key.hour,
                hours=hours,
                segmentation=key.segmentation,
                segment=key.segment,
                slot=slot,
                held=held.get(key, {}).get(slot, 0),
                right=right.get(key, {}).get(slot, 0),
            )


def _differences_of_day(
    start: Hour, *, day: Tally, hours: Tally, right: Tally
) -> Iterator[Difference]:
    """Return what is wrong with the day's own count that is not wrong with its hours'."""
    summed = _as_day(start, hours)
    for wrong in _differences(day, _as_day(start, right), HOURS_PER_DAY):
        key = Key(start, wrong.segmentation, wrong.segment)
        if summed.get(key, {}).get(wrong.slot, 0) != wrong.held:
            yield wrong


def _as_day(start: Hour, hours: Tally) -> Tally:
    total: Tally = {}
    for key, counts in hours.items():
        merge(total, {key._replace(hour=start): counts})
    return total
