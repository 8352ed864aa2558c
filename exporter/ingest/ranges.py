"""A range of time, fetched part by part, each of a length that suits the source."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

import msgspec

from exporter import notes
from exporter.domain.interaction import Row
from exporter.domain.windows import EPOCH
from exporter.ports import Source, SourceTooSlowError, Store

SHORTEST, LONGEST = timedelta(minutes=10), timedelta(days=7)
FEW_ROWS = 100_000  # a source that holds no more may be asked for all of them at once
LONGEST_OF_FEW = timedelta(days=365)
FEWEST_ROWS, MOST_ROWS = 5_000, 20_000  # that a part should bring
_ROUNDED = timedelta(minutes=10)  # clients round timestamps down to this
BETWEEN_ROUNDED = _ROUNDED / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """Some rows of a part have come."""

    start: datetime
    end: datetime
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True, kw_only=True)
class Complete:
    """All rows of a part have come."""

    start: datetime
    end: datetime


Event: TypeAlias = Portion | Complete


@dataclass(frozen=True, slots=True, kw_only=True)
class _SlowRange:
    """Where a part did not come in time, and how long the next ones may be there."""

    start: datetime
    end: datetime
    length: timedelta


class Ranges:
    """Asks for ranges in parts. Their length adapts to how many rows come back.

    They begin short and widen fast where nothing is. What did not come in time is asked for in
    shorter parts, also by the next import or process: the store remembers where.
    """

    def __init__(self, source: Source, store: Store) -> None:
        self._source = source
        self._store = store
        self._length = SHORTEST
        self._longest = LONGEST
        self._slow = notes.read_json(notes.SLOW_RANGE, store.note(notes.SLOW_RANGE), _SlowRange)

    def suit(self, held: int | None) -> None:
        """Set the length by how many rows the source holds in all, None where it cannot say."""
        few = held is not None and held <= FEW_ROWS
        self._longest = LONGEST_OF_FEW if few else LONGEST
        self._length = min(self._length, self._longest)

    def upward(self, start: datetime, end: datetime) -> Iterator[Event]:
        """Fetch a range, the oldest first. Raises `SourceError`."""
        at = start
        while at < end:
            bound = min(self._bound_above(at), end)
            if (yield from self._fetch(at, bound)):
                if self._slow and start <= self._slow.start and bound >= self._slow.end:
                    self._remember(None)  # it is behind
                at = bound

    def downward(self, start: datetime, end: datetime) -> Iterator[Event]:
        """Fetch a range, the newest first. Raises `SourceError`."""
        at = end
        while at > start:
            bound = max(self._bound_below(at), start)
            if (yield from self._fetch(bound, at)):
                if self._slow and end >= self._slow.end and bound <= self._slow.start:
                    self._remember(None)
                at = bound

    def _bound_above(self, at: datetime) -> datetime:
        bound = between_rounded(at + self._length)
        slow = self._slow
        if slow is None or at >= slow.end or bound <= slow.start:
            return bound
        if at < slow.start:
            return slow.start
        return min(bound, between_rounded(at + slow.length))

    def _bound_below(self, at: datetime) -> datetime:
        bound = between_rounded(at - self._length)
        slow = self._slow
        if slow is None or at <= slow.start or bound >= slow.end:
            return bound
        if at > slow.end:
            return slow.end
        return max(bound, between_rounded(at - slow.length))

    def _fetch(self, start: datetime, end: datetime) -> Generator[Event, None, bool]:
        """Fetch a part; return whether all of it came."""
        rows = 0
        try:
            for portion in self._source.fetch(start, end):
                rows += len(portion)
                yield Portion(start=start, end=end, rows=portion)
        except SourceTooSlowError:
            self._shorten(start, end)
            if not rows or end - start <= SHORTEST + BETWEEN_ROUNDED:
                raise  # without a row, the source may be at work on it still
            return False
        self._adapt(rows, end - start)
        yield Complete(start=start, end=end)
        return True

    def _shorten(self, start: datetime, end: datetime) -> None:
        length = max(SHORTEST, (end - start) / 4)
        slow = self._slow
        if slow is not None and start < slow.end and end > slow.start:
            start, end = min(start, slow.start), max(end, slow.end)
        self._remember(_SlowRange(start=start, end=end, length=length))

    def _remember(self, slow: _SlowRange | None) -> None:
        self._slow = slow
        text = "" if slow is None else msgspec.json.encode(slow).decode()
        self._store.remember(notes.SLOW_RANGE, text)

    def _adapt(self, rows: int, length: timedelta) -> None:
        if rows > MOST_ROWS:
            self._length = max(SHORTEST, self._length / 2)
        elif rows < FEWEST_ROWS and length >= self._length / 2:
            self._length = min(self._longest, self._length * (2 if rows else 4))


def between_rounded(when: datetime) -> datetime:
    """Move an instant half-way between two of the timestamps that clients round to."""
    return when - (when - EPOCH) % _ROUNDED + BETWEEN_ROUNDED
