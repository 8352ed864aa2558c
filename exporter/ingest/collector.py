"""Collecting: interactions that come one by one are stored together, each answered when stored.

What waits is in memory only as long as its sender waits for the answer. A store that fails, or
is too slow, is answered for at once; nothing is kept in the hope that it comes back.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from queue import Empty, SimpleQueue
from time import monotonic

from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.interaction import Row
from exporter.domain.windows import ms_of
from exporter.ingest.batches import batch_of, each_id_once
from exporter.ingest.importer import AHEAD
from exporter.ports import AddResult, Store, StoreError

GATHER_SECONDS = 0.003  # for how long requests are waited for that share a transaction
GROUP_ROWS = 5_000  # that are stored at once, the last request's included
WAITING_ROWS = 20_000
WAITING_BYTES = 64 * 1024 * 1024

OpenStore = Callable[[], AbstractContextManager[tuple[Store, Evaluator]]]


class CollectorFull(Exception):
    """More waits to be stored than may; the sender is to try again later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    rows: Sequence[Row]
    size: int
    stored: Future[None]


class Collector:
    """Stores what several threads submit, from one thread of its own.

    `opened` opens the store with its definitions for one group; `on_added` is told what became
    of each batch.
    """

    def __init__(
        self,
        opened: OpenStore,
        *,
        now: Callable[[], datetime],
        on_added: Callable[[AddResult], None],
        gather_seconds: float = GATHER_SECONDS,
        waiting_rows: int = WAITING_ROWS,
    ) -> None:
        self._opened = opened
        self._now = now
        self._on_added = on_added
        self._gather_seconds = gather_seconds
        self._waiting_rows = waiting_rows
        self._lock = threading.Lock()
        self._rows = self._bytes = 0  # that wait
        self._requests: SimpleQueue[_Request | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="collector", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, patience: timedelta) -> bool:
        """Store what was submitted; return whether that was done in time."""
        self._requests.put(None)
        self._thread.join(patience.total_seconds())
        return not self._thread.is_alive()

    def submit(self, rows: Sequence[Row]) -> Future[None]:
        """Store rows, as one request. The future ends once they are committed.

        It raises `StoreError` if they are not. Raises `CollectorFull`.
        """
        request = _Request(rows=rows, size=sum(len(row.raw) for row in rows), stored=Future())
        with self._lock:
            full = self._rows and (
                self._rows + len(rows) > self._waiting_rows
                or self._bytes + request.size > WAITING_BYTES
            )
            if full:
                raise CollectorFull
            self._rows += len(rows)
            self._bytes += request.size
        self._requests.put(request)
        return request.stored

    def _run(self) -> None:
        while (first := self._requests.get()) is not None:
            group = [first, *self._others(len(first.rows))]
            self._store(group)

    def _others(self, rows: int) -> Iterator[_Request]:
        """Return the requests that come within a few milliseconds of a first one."""
        until = monotonic() + self._gather_seconds
        while rows < GROUP_ROWS:
            try:
                request = self._requests.get(timeout=max(0.0, until - monotonic()))
            except Empty:
                return
            if request is None:
                self._requests.put(None)  # the end, after this group
                return
            rows += len(request.rows)
            yield request

    def _store(self, group: Sequence[_Request]) -> None:
        """Store a group; where it cannot be stored as one, each request by itself."""
        try:
            self._add([row for request in group for row in request.rows])
        except MemoryError:
            raise  # which ends the process; nobody was answered
        except StoreError as error:
            self._answer(group, error)
        except Exception as error:  # noqa: BLE001 -- one request's must not be all the others'
            if len(group) == 1:
                self._answer(group, error)
            else:
                for request in group:
                    self._store([request])
        else:
            self._answer(group, None)

    def _add(self, rows: Sequence[Row]) -> None:
        with self._opened() as (store, evaluator):
            now = self._now()
            for portion in each_id_once(rows):
                read = evaluator.read(portion, newest_ms=ms_of(now + AHEAD))
                self._on_added(store.add(batch_of(read, collected=True), now))

    def _answer(self, group: Sequence[_Request], error: Exception | None) -> None:
        with self._lock:
            self._rows -= sum(len(request.rows) for request in group)
            self._bytes -= sum(request.size for request in group)
        for request in group:
            if not request.stored.set_running_or_notify_cancel():
                continue  # its sender has left
            if error is None:
                request.stored.set_result(None)
            else:
                request.stored.set_exception(error)
