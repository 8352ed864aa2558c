"""The fake KPIggybank as a value that tests and the command line hold."""

import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from fake_server.corpus import Corpus
from fake_server.crowd import Arrivals, Plan, in_order_of_arrival
from fake_server.faults import Faults
from fake_server.rows import Record, from_blob, from_plan
from fake_server.server import Server
from fake_server.store import BACKENDS
from fake_server.truth import Truth


class FakeKpiggybank:
    """A KPIggybank on a real socket, from `with` to its end.

    What it holds, and its address, outlive its death; `restart` brings it back.
    """

    def __init__(
        self,
        *,
        backend: str = "couchdb",
        faults: Iterable[str] = (),
        corpus: Path | None = None,
        arrivals: Arrivals | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        """Fill with a corpus, or nothing; `arrivals` come in as `advance` lets time go on."""
        opened = None if corpus is None else Corpus(corpus)
        if opened is not None and opened.backend != backend:
            raise ValueError(f"the corpus holds rows of the {opened.backend} backend")
        self.truth = Truth()
        """The right counts of all simulated users' blobs that it holds; not of the corpus."""
        self._lock = threading.RLock()
        self._store = BACKENDS[backend](opened)
        self._arrivals = arrivals
        self._faults = Faults(faults)
        self._added = 0
        self._server = Server(
            self._store, self._faults, self._lock, host=host, port=port,
            advance=self.advance, post=self.add, truth=self._truth_of,
        )  # fmt: skip

    def __enter__(self) -> Self:
        """Listen."""
        self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop listening and end every connection."""
        self._server.stop()

    @property
    def address(self) -> str:
        """`http://host:port`."""
        return self._server.address

    @property
    def url(self) -> str:
        """Where interactions are read: an exporter's `data_server.url`."""
        return f"{self.address}/wsapi/interaction_data"

    @property
    def alive(self) -> bool:
        """Whether it listens."""
        return self._server.listening

    @property
    def died(self) -> threading.Event:
        """Set when it died of a request, as the real one does."""
        return self._server.died

    @property
    def stats(self) -> dict[str, Any]:
        """As `GET /fake/stats` says it."""
        return self._server.stats()

    def __len__(self) -> int:
        """How many blobs it holds."""
        with self._lock:
            return len(self._store)

    def add(self, blobs: Iterable[Mapping[str, Any]]) -> None:
        """Store blobs as if they were posted; `_id`, where given, is the id."""
        for blob in blobs:
            with self._lock:
                self._added += 1
                self.store(from_blob(blob, number=self._added))

    def store(self, record: Record) -> None:
        """Store a record as it is, its JSON unread."""
        with self._lock:
            self._store.add(record)
            self._server.publish(self._store.latest_change)

    def remove(self, ids: Iterable[str]) -> None:
        """Delete blobs, by CouchDB's ids."""
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

    def load_rows(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Store rows as the CouchDB backend serves them, whatever the backend is here."""
        self.add({**row["value"], "_id": row["id"]} for row in rows)

    def load_rows_file(self, path: Path) -> None:
        """Store a file of rows."""
        self.load_rows(json.loads(path.read_bytes()))

    def advance(self, moment: datetime) -> int:
        """Let time go on to `moment`, and say how many blobs arrived."""
        if self._arrivals is None:
            return 0
        with self._lock:
            arrived = self._arrivals.until(moment)
            self.fill(arrived)
        return len(arrived)

    def set_faults(self, *faults: str) -> None:
        """Have these faults on from now, and no others."""
        self._faults.switch(faults)

    def die(self) -> None:
        """Be gone at once: connections dropped, nobody listens; the address stays taken."""
        self._server.die()

    def restart(self) -> None:
        """Listen again, after a death, on the same address."""
        self._server.start()

    def _truth_of(self, since: datetime | None, until: datetime | None) -> dict[str, Any]:
        with self._lock:
            if since is None or until is None:
                return self.truth.as_json()
            return self.truth.window(since, until)
