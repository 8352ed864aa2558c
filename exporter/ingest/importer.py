"""One import: fetch, read, store; every row that came is accounted for."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from exporter import notes
from exporter.domain.classify.classifier import OLDEST_TIMESTAMP_MS, Classification
from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.interaction import Ignored, Interaction, Rejected, Row
from exporter.domain.windows import EPOCH, hour_of, ms_of, start_of
from exporter.ingest.prefetch import prefetch
from exporter.ports import AddResult, Batch, Source, SourceTooSlowError, Store

AHEAD = timedelta(days=1)  # how far ahead of the clock a timestamp is believed
OVERLAP = timedelta(minutes=15)  # clients round timestamps down to 10 minutes
QUIET = timedelta(hours=1)  # in which nothing may have happened, whatever the clock says
SHORTEST, LONGEST = timedelta(minutes=10), timedelta(days=7)
FEWEST_ROWS, MOST_ROWS = 5_000, 20_000  # that a window should bring
BATCH_ROWS = 10_000  # stored at a time
LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)
OLDEST = EPOCH + timedelta(milliseconds=OLDEST_TIMESTAMP_MS)
_ROUNDED = timedelta(minutes=10)
BETWEEN_ROUNDED = _ROUNDED / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One portion is stored: what became of its rows, how many of the new ones came late.

    `done` is how much of the range asked for is behind, from 0 to 1.
    """

    added: AddResult
    late: int
    done: float


class Importer:
    """Imports from a source into a store. One import at a time.

    The length of the windows it asks for adapts to how many rows come back, and is
    remembered from one import to the next.
    """

    def __init__(self, source: Source, store: Store, *, history: timedelta) -> None:
        self._source = source
        self._store = store
        self._history = history
        self._length = timedelta(hours=1)

    def position(self) -> datetime | None:
        """Return up to when everything was fetched once; None before the first import ended."""
        text = self._store.note(notes.POSITION)
        return None if text is None else datetime.fromisoformat(text)

    def run(
        self,
        evaluator: Evaluator,
        now: datetime,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Iterator[Progress]:
        """Import what is new, or a range of time; yields after each portion stored.

        The first import reaches `history` back, a later one begins where the last one ended,
        with an overlap. Raises `SourceError` and `StoreError`; what was stored stays.
        """
        position = self.position()
        if since is not None:
            start = since
        elif position is None:
            start = now - self._history
        else:
            start = min(position, now) - OVERLAP
        end = now + AHEAD if until is None else until
        for fetched_until, progress in self._windows(evaluator, now, start, end, stopped):
            if progress is not None:
                yield progress
            elif since is None:
                self._move_position(fetched_until, now)

    def fetch_again(
        self, evaluator: Evaluator, now: datetime, start: datetime, end: datetime
    ) -> Iterator[tuple[datetime, Progress | None]]:
        """Import a range that was fetched before, for what came to it late. Raises as `run`.

        The end of a window that is whole comes without progress. Nothing is fetched ahead of
        what is asked for, so that a caller who has enough can stop.
        """
        position = self.position()
        for bound, batch in _read(evaluator, self._fetched(start, end), ms_of(now + AHEAD)):
            if batch is None:
                yield bound, None
            else:
                done = (bound - start) / (end - start)
                yield bound, self._store_batch(batch, now, position, done)

    def fetch_strays(self, evaluator: Evaluator, now: datetime) -> Iterator[Progress]:
        """Import what is in no range of time: timestamps that are strings, or in seconds.

        As far as the source gives them, and in time. Nothing is asked for that lies ahead of
        a clock which is behind what was seen already, or which may never have been right.
        """
        position = self.position()
        newest = self._newest()
        ranges: list[tuple[datetime, datetime | None]] = [(LONG_AGO, OLDEST)]
        if newest is not None and newest <= now + AHEAD:
            ranges.append((now + AHEAD, None))
        for start, end in ranges:
            with suppress(SourceTooSlowError):
                for rows in self._source.fetch(start, end):
                    batch = _batch(evaluator.read(rows, newest_ms=ms_of(now + AHEAD)))
                    yield self._store_batch(batch, now, position, done=1.0)

    def _windows(
        self,
        evaluator: Evaluator,
        now: datetime,
        start: datetime,
        end: datetime,
        stopped: Callable[[], bool],
    ) -> Iterator[tuple[datetime, Progress | None]]:
        """Import a range; a window's end comes without progress.

        While one portion is stored, the next is read and the one after it is on its way.
        """
        position = self.position()
        whole = (min(end, max(now, start)) - start) or _ROUNDED
        newest_ms = ms_of(now + AHEAD)
        fetched = prefetch(self._fetched(start, end))
        for bound, batch in prefetch(_read(evaluator, fetched, newest_ms)):
            progress = None
            if batch is not None:
                done = min((bound - start) / whole, 1.0)
                progress = self._store_batch(batch, now, position, done)
            yield bound, progress
            if stopped():
                return

    def _fetched(
        self, start: datetime, end: datetime
    ) -> Iterator[tuple[datetime, Sequence[Row] | None]]:
        """Fetch a range window by window, each in portions; None marks a window's end."""
        at = start
        while at < end:
            bound = min(_between_rounded(at + self._length), end)
            rows = 0
            try:
                for portion in self._source.fetch(at, bound):
                    rows += len(portion)
                    yield bound, portion
            except SourceTooSlowError:
                at_shortest = self._length <= SHORTEST
                self._length = max(SHORTEST, min(self._length, bound - at) / 4)
                if at_shortest or not rows:
                    raise  # without a row, the source may be at work on it still
                continue
            self._adapt(rows, bound - at)
            at = bound
            yield bound, None

    def _store_batch(
        self, batch: Batch, now: datetime, position: datetime | None, done: float
    ) -> Progress:
        added = self._store.add(batch, now)
        return Progress(added=added, late=_late(added.timestamps_ms, position), done=done)

    def _move_position(self, fetched_until: datetime, now: datetime) -> None:
        """Note how far the import has come: never past the clock, nor far past what was seen.

        A clock that runs ahead would otherwise leave a gap behind it once it is set right, and
        one that is far behind would have everything fetched again.
        """
        newest = self._newest()
        if newest is not None and newest <= now + AHEAD:
            position = min(fetched_until, now, newest + QUIET)
            self._store.remember(notes.POSITION, position.isoformat())

    def _newest(self) -> datetime | None:
        newest_ms = self._store.stats().newest_ms
        return None if newest_ms is None else EPOCH + timedelta(milliseconds=newest_ms)

    def _adapt(self, rows: int, length: timedelta) -> None:
        if rows > MOST_ROWS:
            self._length = max(SHORTEST, self._length / 2)
        elif rows < FEWEST_ROWS and length >= self._length / 2:
            self._length = min(LONGEST, self._length * 2)


def _read(
    evaluator: Evaluator,
    portions: Iterable[tuple[datetime, Sequence[Row] | None]],
    newest_ms: int,
) -> Iterator[tuple[datetime, Batch | None]]:
    """Read portions, and gather them into batches; None marks a window's end."""
    verdicts: list[Classification] = []
    for bound, rows in portions:
        verdicts += evaluator.read(rows or (), newest_ms)
        if len(verdicts) >= BATCH_ROWS or (rows is None and verdicts):
            yield bound, _batch(verdicts)
            verdicts = []
        if rows is None:
            yield bound, None


def _batch(verdicts: Sequence[Classification]) -> Batch:
    return Batch(
        interactions=[v for v in verdicts if isinstance(v, Interaction)],
        ignored=[v for v in verdicts if isinstance(v, Ignored)],
        rejected=[v for v in verdicts if isinstance(v, Rejected)],
    )


def _late(timestamps_ms: Sequence[int], position: datetime | None) -> int:
    """Count what lies behind the newest hour that was complete before this import."""
    if position is None:
        return 0
    complete_ms = ms_of(start_of(hour_of(position)))
    return sum(timestamp_ms < complete_ms for timestamp_ms in timestamps_ms)


def _between_rounded(when: datetime) -> datetime:
    """Move an instant half-way between two of the timestamps that clients round to."""
    return when - (when - EPOCH) % _ROUNDED + BETWEEN_ROUNDED
