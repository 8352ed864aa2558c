"""A small world for imports: a source that does as it is told, a clock, and what is right."""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.interaction import Row, StoredInteraction
from exporter.domain.tally import Key, Tally
from exporter.ingest.importer import Importer, Progress
from exporter.ingest.reconciler import Reconciler
from exporter.ingest.sweeps import Sweeps
from exporter.ports import AddResult, Balance, SourceError, SourceNotReadyError, SourceTooSlowError
from exporter.stores.sqlite import SqliteStore
from tests.builders import ANY_TIME_MS, fewer_segments, ms

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
PORTION_ROWS = 50


class Shelf:
    """A `Source` in memory, with CouchDB's order: numbers, then strings; without a key in none."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[int | str | None, bytes]] = {}
        self.counts = True
        self.miscount = 0
        self.too_slow_above = 1 << 40
        """More rows than this do not come in time, but for a first portion if some do."""
        self.given_in_time = 0
        self.silent = False
        self.fails_after: int | None = None
        """So many portions, then an error."""
        self.ranges: list[tuple[datetime, datetime | None]] = []
        self.fetched = 0

    def fetch(self, start: datetime, end: datetime | None) -> Iterator[Sequence[Row]]:
        assert end is None or start < end, "the real one dies of that"
        self.ranges.append((start, end))
        found = sorted(self._between(ms(start) - 1, None if end is None else ms(end)))
        for n in range(0, len(found), PORTION_ROWS):
            self._fail_if_due(len(found), n)
            portion = [Row(id_, raw) for _, _, id_, raw in found[n : n + PORTION_ROWS]]
            self.fetched += len(portion)
            yield portion
        self._fail_if_due(0, 0)

    def _between(self, low: int, high: int | None) -> Iterator[tuple[bool, int | str, str, bytes]]:
        for id_, (key, raw) in self.rows.items():
            if isinstance(key, str):
                if high is None:
                    yield True, key, id_, raw
            elif key is not None and low <= key and (high is None or key <= high):
                yield False, key, id_, raw

    def _fail_if_due(self, found: int, given: int) -> None:
        if self.silent or (found > self.too_slow_above and given >= self.given_in_time):
            raise SourceTooSlowError("too slow")
        if self.fails_after is not None:
            self.fails_after -= 1
            if self.fails_after < 0:
                raise SourceError("gone")

    def count(self) -> int | None:
        if self.silent:
            raise SourceTooSlowError("silent")
        return len(self.rows) + self.miscount if self.counts else None

    def close(self) -> None:
        pass


class World:
    """A shelf, a store, and the parts that import from the one into the other."""

    def __init__(
        self,
        directory: Path,
        *,
        sweeps: Sweeps | None = None,
        history: timedelta = 30 * DAY,
        retention: timedelta = 400 * DAY,
    ) -> None:
        self.shelf = Shelf()
        self.now = NEW_YEAR
        self.sweeps = sweeps or Sweeps()
        self.history = history
        self.retention = retention
        self.store = SqliteStore(directory / "kpi.db")
        self.evaluator = Evaluator(fewer_segments())
        self.store.use_definitions(self.evaluator)
        self.late = 0
        self.restart()

    def restart(self) -> None:
        """Forget everything that is not in the store."""
        self.importer = Importer(self.shelf, self.store, history=self.history)
        self.reconciler = Reconciler(
            self.importer,
            self.shelf,
            self.store,
            history=self.history,
            retention=self.retention,
            sweeps=self.sweeps,
        )

    # The source

    def post(self, name: str, *, ago: timedelta = 10 * MINUTE, **fields: Any) -> None:
        """Let a blob arrive now that happened some time ago; the same name is a new revision."""
        at = ms(self.now - ago)
        blob = {"timestamp": at, "event_stream": [["screen.rp_info", 1]], **fields}
        if blob["timestamp"] is None:
            del blob["timestamp"]
        self.shelf.rows[name] = (blob.get("timestamp"), json.dumps(blob).encode())

    def delete(self, name: str) -> None:
        del self.shelf.rows[name]

    # Time

    def run(self, *, portions: int | None = None) -> list[AddResult]:
        """Import once; or only so many portions, and then be killed."""
        added: list[AddResult] = []
        progress: Iterator[Progress] = self.reconciler.import_all(self.evaluator, self.now)
        for one in progress:
            self.late += one.late
            added.append(one.added)
            if portions is not None and len(added) >= portions:
                break
        return added

    def go_on(self, length: timedelta, every: timedelta = HOUR) -> None:
        """Let time pass, with an import at each interval, and somebody who signs in before it."""
        for _ in range(length // every):
            self.now += every
            self.post(f"at {self.now:%m-%dT%H:%M}")
            self.run_if_ready()

    def idle(self, length: timedelta, every: timedelta = HOUR) -> None:
        """Let time pass, with an import at each interval, and nobody who signs in."""
        for _ in range(length // every):
            self.now += every
            self.run_if_ready()

    def run_if_ready(self) -> None:
        """Import once, unless the source cannot count although it could."""
        with suppress(SourceNotReadyError):
            self.run()

    # What is right

    @property
    def balance(self) -> Balance:
        return self.reconciler.balance()

    def names(self) -> set[str]:
        """Which interactions are stored, but for those of `go_on`."""
        stored = {one.id for one in self.store.interactions(0, ANY_TIME_MS)}
        return {name for name in stored if not name.startswith("at ")}

    def counts(self) -> Tally:
        """What the store would answer, by hour."""
        first, last = 0, 1 << 20
        return {
            Key(row.start, row.segmentation, row.segment): dict(row.counts)
            for row in self.store.by_hour(first, last)
        }

    def right_counts(self) -> Tally:
        """What it should answer for all that is stored, by the pure tally."""
        return self.evaluator.tally_stored(self.store.interactions(0, ANY_TIME_MS))

    def stored_as(self, name: str) -> StoredInteraction:
        """A row of the shelf as a store would have it."""
        return StoredInteraction(name, 0, self.shelf.rows[name][1])

    def fetches(self) -> int:
        """How many rows were fetched since this was last asked."""
        fetched, self.shelf.fetched = self.shelf.fetched, 0
        return fetched


def looking_at(*after: timedelta, **settings: Any) -> Sweeps:
    return replace(Sweeps(), after=after, **settings)
