"""What a KPIggybank holds, what is still on its way to it, and the right counts of both."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from fake_server.crowd import Arrivals, Plan, in_order_of_arrival
from fake_server.faults import spoilt
from fake_server.feed import ChangeFeed
from fake_server.rows import Record, from_blob, from_plan
from fake_server.store import Rows, Store
from fake_server.truth import Truth


class Holdings:
    """A store that several threads may use, and what is known of its blobs."""

    def __init__(self, store: Store, arrivals: Arrivals | None = None) -> None:
        """Start with what the store has; `arrivals` come in as `advance` lets time go on."""
        self.truth = Truth()
        """The right counts of the simulated users' blobs; a corpus has its own."""
        self.feed = ChangeFeed(limit=store.changes_streamed)
        self._store = store
        self._arrivals = arrivals
        self._lock = threading.RLock()
        self._posted = 0

    @property
    def stored(self) -> int:
        """How many blobs it holds, whether a range returns them or not."""
        with self._lock:
            return len(self._store)

    def add(self, blobs: Iterable[Mapping[str, Any]]) -> None:
        """Store blobs as if they were posted; `_id`, where given, is the id."""
        with self._lock:
            for blob in blobs:
                self._posted += 1
                self.store(from_blob(blob, number=self._posted))

    def store(self, record: Record) -> None:
        """Store a record as it is, its JSON unread."""
        with self._lock:
            self._store.add(record)
            self.feed.publish(self._store.latest_change)

    def spoil(self, name: str, moment: datetime) -> None:
        """Store what cannot be used (`malformed`), or is dangerous to parse (`poison`)."""
        for record in spoilt(name, round(moment.timestamp() * 1000)):
            self.store(record)

    def load_rows(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Store rows as the CouchDB backend serves them, whatever the backend is here."""
        self.add({**row["value"], "_id": row["id"]} for row in rows)

    def remove(self, ids: Iterable[str]) -> None:
        """Delete blobs by their CouchDB id; not those of a corpus."""
        with self._lock:
            self._store.remove(ids)

    def fill(self, plans: Iterable[Plan]) -> Truth:
        """Store what users do, in the order in which it arrived, and say what is right."""
        chosen = in_order_of_arrival(plans)
        with self._lock:
            for plan in chosen:
                self.store(from_plan(plan))
            self.truth.add(chosen)
        return self.truth

    def advance(self, moment: datetime) -> int:
        """Advance time to `moment`; return how many blobs arrived."""
        if self._arrivals is None:
            return 0
        with self._lock:
            arrived = self._arrivals.until(moment)
            self.fill(arrived)
        return len(arrived)

    def right(self, since: datetime | None = None, until: datetime | None = None) -> dict[str, Any]:
        """Return the truth as JSON: all by day, or the tallies of one window of whole hours."""
        with self._lock:
            if since is None or until is None:
                return self.truth.as_json()
            return self.truth.window(since, until)

    def between(self, start: str | None, end: str | None) -> Rows:
        """Return the rows that a request with such parameters gets."""
        with self._lock:
            return self._store.between(start, end)

    def count(self) -> int | None:
        """Return what `/count` says; None where it fails."""
        with self._lock:
            return self._store.count()

    def last(self) -> bytes:
        """Return what `/last` says."""
        with self._lock:
            return self._store.last()

    def one(self, name: str) -> bytes:
        """Return what `?id=` says."""
        with self._lock:
            return self._store.one(name)
