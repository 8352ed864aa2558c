"""One import: fetch, read, store; every row that came is accounted for."""

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from exporter import notes
from exporter.domain.classify.classifier import OLDEST_TIMESTAMP_MS, Classification
from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.portions import MOST_BYTES
from exporter.domain.windows import hour_of, instant_of, ms_of, start_of
from exporter.ingest.batches import BATCH_ROWS, batch_of
from exporter.ingest.prefetch import prefetch
from exporter.ingest.ranges import Complete, Event, Portion, Ranges
from exporter.ports import AddResult, Batch, Source, SourceTooSlowError, Store

AHEAD = timedelta(days=1)  # how far ahead of the clock a timestamp is believed
OVERLAP = timedelta(minutes=15)  # clients round timestamps down to 10 minutes
QUIET = timedelta(hours=1)  # in which nothing may have happened, whatever the clock says
NOTED_SECONDS = 10.0  # how often an import under way notes how far it has come
LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)
OLDEST = instant_of(OLDEST_TIMESTAMP_MS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One portion is stored: what became of its rows, how many of the new ones came late.

    `done` is how much of the range asked for is behind, from 0 to 1.
    """

    added: AddResult
    late: int
    done: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gathered:
    """Rows of a range, up to its `end`, ready to be stored as one."""

    end: datetime
    batch: Batch


class Importer:
    """Imports from a source into a store. One import at a time."""

    def __init__(
        self,
        source: Source,
        store: Store,
        *,
        history: timedelta,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._store = store
        self._history = history
        self._monotonic = monotonic
        self._ranges = Ranges(source, store)

    def position(self) -> datetime | None:
        """Return up to when everything was fetched once; None before the first import ended."""
        # Where it is damaged, what is there comes as duplicates.
        return notes.read_time(notes.POSITION, self._store.note(notes.POSITION))

    def run(
        self,
        evaluator: Evaluator,
        now: datetime,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        held: int | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Iterator[Progress]:
        """Import what is new, or a range of time; yields after each portion stored.

        `held` is how many rows the source holds in all, as far as it can say.

        The first import reaches `history` back, a later one begins where the last one ended,
        with an overlap. Nothing is asked for from before 2000, nor beyond a day ahead. While one
        portion is stored, the next is read and the one after it is on its way. How far it has come
        is noted now and then and at its end: a range without rows costs the store nothing. Raises
        `SourceError` and `StoreError`; what was stored stays.
        """
        position = self.position()
        if since is not None:
            start = since
        elif position is None:
            start = now - self._history
        else:
            start = min(position, now) - OVERLAP
        start = max(start, OLDEST)
        end = min(until or now + AHEAD, now + AHEAD)
        whole = max(min(end, now) - start, OVERLAP)
        self._ranges.suit(held)
        events = prefetch(self._ranges.upward(start, end))
        gathered = prefetch(_gathered(evaluator, events, ms_of(now + AHEAD)))
        with closing(gathered if since else self._noting(gathered, now)) as followed:
            for event in followed:
                if isinstance(event, _Gathered):
                    done = min((event.end - start) / whole, 1.0)
                    yield self._stored(event.batch, now, position, done)
                if stopped():
                    return

    def _noting(
        self, events: Iterable[_Gathered | Complete], now: datetime
    ) -> Generator[_Gathered | Complete, None, None]:
        """Yield what comes; note now and then, and at the end, how far the import has come."""
        noted, fetched = self._monotonic(), None
        try:
            for event in events:
                if isinstance(event, Complete):
                    fetched = event.end
                    if self._monotonic() - noted >= NOTED_SECONDS:
                        self._move_position(fetched, now)
                        noted, fetched = self._monotonic(), None
                yield event
        finally:
            if fetched is not None:
                self._move_position(fetched, now)

    def fetch_again(
        self, evaluator: Evaluator, now: datetime, start: datetime, end: datetime
    ) -> Iterator[Progress | Complete]:
        """Import what came late to a range of time, the newest first. Raises as `run`.

        Nothing is fetched in advance, so that a caller who has enough can stop.
        """
        position = self.position()
        events = self._ranges.downward(start, end)
        for event in _gathered(evaluator, events, ms_of(now + AHEAD)):
            if isinstance(event, _Gathered):
                done = (end - event.end) / (end - start)
                yield self._stored(event.batch, now, position, done)
            else:
                yield event

    def fetch_strays(self, evaluator: Evaluator, now: datetime) -> Iterator[Progress]:
        """Import what is in no range of time: timestamps that are strings, or in seconds.

        As far as the source gives them, and in time. Nothing is asked for that lies ahead of
        a clock which is behind what was seen already, or which may never have been right.
        """
        position = self.position()
        newest = self._store.stats().newest
        ranges: list[tuple[datetime, datetime | None]] = [(LONG_AGO, OLDEST)]
        if newest is not None and newest <= now + AHEAD:
            ranges.append((now + AHEAD, None))
        for start, end in ranges:
            with suppress(SourceTooSlowError):
                for rows in self._source.fetch(start, end):
                    batch = batch_of(evaluator.read(rows, newest_ms=ms_of(now + AHEAD)))
                    yield self._stored(batch, now, position, done=1.0)

    def _stored(
        self, batch: Batch, now: datetime, position: datetime | None, done: float
    ) -> Progress:
        added = self._store.add(batch, now)
        return Progress(added=added, late=_late(added.timestamps_ms, position), done=done)

    def _move_position(self, fetched_until: datetime, now: datetime) -> None:
        """Store how far the import has come: never past the clock, nor far past what was seen.

        A clock that runs ahead would otherwise leave a gap behind it once it is set right, and
        one that is far behind would have everything fetched again.
        """
        newest = self._store.stats().newest
        if newest is not None and newest <= now + AHEAD:
            position = min(fetched_until, now, newest + QUIET)
            self._store.remember(notes.POSITION, position.isoformat())


def _gathered(
    evaluator: Evaluator, events: Iterable[Event], newest_ms: int
) -> Iterator[_Gathered | Complete]:
    """Read portions, and gather those of a range into batches."""
    verdicts: list[Classification] = []
    size = 0
    for event in events:
        if isinstance(event, Portion):
            verdicts += evaluator.read(event.rows, newest_ms)
            size += sum(len(row.raw) for row in event.rows)
        full = len(verdicts) >= BATCH_ROWS or size >= MOST_BYTES
        if verdicts and (isinstance(event, Complete) or full):
            yield _Gathered(end=event.end, batch=batch_of(verdicts))
            verdicts, size = [], 0
        if isinstance(event, Complete):
            yield event


def _late(timestamps_ms: Sequence[int], position: datetime | None) -> int:
    """Count what lies behind the newest hour that was complete before this import."""
    if position is None:
        return 0
    complete_ms = ms_of(start_of(hour_of(position)))
    return sum(timestamp_ms < complete_ms for timestamp_ms in timestamps_ms)
