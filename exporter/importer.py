"""One import: fetch, read, store; every row that came is accounted for."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from exporter.domain.counting import Counting
from exporter.domain.facts import Verdict
from exporter.domain.interaction import Ignored, Interaction, Rejected, Row
from exporter.domain.windows import EPOCH, hour_of, start_of
from exporter.ports import Added, Batch, Source, SourceTooSlowError, Store

POSITION = "position"
AHEAD = timedelta(days=1)  # how far ahead of the clock a timestamp is believed
OVERLAP = timedelta(minutes=20)  # clients round timestamps down to 10 minutes
SHORTEST = timedelta(minutes=10)
LONGEST = timedelta(days=1)
FEWEST_ROWS, MOST_ROWS = 5_000, 20_000
_GRID = timedelta(minutes=5)  # bounds lie between two rounded timestamps


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One portion is stored: what became of it, how far the import has come."""

    added: Added
    late: int
    start: datetime
    at: datetime
    end: datetime


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

    def run(
        self,
        counting: Counting,
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
        position = self._position()
        start = since or (now - self._history if position is None else min(position, now) - OVERLAP)
        end = until or now + AHEAD
        at = start
        while at < end and not stopped():
            bound = min(_on_grid(at + self._length), end)
            rows = 0
            try:
                for portion in self._source.fetch(at, bound):
                    rows += len(portion)
                    added = self._store_portion(counting, portion, now)
                    late = _late(added.timestamps_ms, position)
                    yield Progress(added=added, late=late, start=start, at=bound, end=min(end, now))
                    if stopped():
                        return
            except SourceTooSlowError:
                self._length = max(SHORTEST, self._length / 2)
                if not rows:
                    raise
                continue
            self._adapt(rows, bound - at)
            at = bound
            if since is None:
                self._move_position(at, now)

    def _store_portion(self, counting: Counting, rows: Sequence[Row], now: datetime) -> Added:
        newest_ms = (now + AHEAD - EPOCH) // timedelta(milliseconds=1)
        return self._store.add(_sorted(counting.read(rows, newest_ms)), now)

    def _position(self) -> datetime | None:
        note = self._store.note(POSITION)
        return None if note is None else datetime.fromisoformat(note)

    def _move_position(self, at: datetime, now: datetime) -> None:
        """Note how far the import has come: never past the clock, nor past what was seen.

        A clock that runs ahead would otherwise leave a gap behind it once it is set right.
        """
        newest_ms = self._store.holdings().newest_ms
        if newest_ms is None:
            return
        position = min(at, now, EPOCH + timedelta(milliseconds=newest_ms))
        self._store.remember(POSITION, position.isoformat())

    def _adapt(self, rows: int, length: timedelta) -> None:
        if rows > MOST_ROWS:
            self._length = max(SHORTEST, self._length / 2)
        elif rows < FEWEST_ROWS and length >= self._length / 2:
            self._length = min(LONGEST, self._length * 2)


def _sorted(verdicts: Sequence[Verdict]) -> Batch:
    return Batch(
        interactions=[v for v in verdicts if isinstance(v, Interaction)],
        ignored=[v for v in verdicts if isinstance(v, Ignored)],
        rejected=[v for v in verdicts if isinstance(v, Rejected)],
    )


def _late(timestamps_ms: Sequence[int], position: datetime | None) -> int:
    """Count what lies behind the newest hour that was complete before this import."""
    if position is None:
        return 0
    complete = start_of(hour_of(position))
    complete_ms = (complete - EPOCH) // timedelta(milliseconds=1)
    return sum(timestamp_ms < complete_ms for timestamp_ms in timestamps_ms)


def _on_grid(when: datetime) -> datetime:
    """Move an instant to the middle between two multiples of 10 minutes."""
    return when - (when - EPOCH) % (2 * _GRID) + _GRID
