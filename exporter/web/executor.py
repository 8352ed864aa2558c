"""Threads for work that may wait: few, with a short queue, so that the event loop never does."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TypeVar

_Result = TypeVar("_Result")


class QueueFull(Exception):
    """All threads are at work, and as many callers wait in line as may."""


class BoundedExecutor:
    """At most `threads` pieces of work at once, and `waiting` more in line.

    The threads are daemons: work that hangs (a locked store) does not keep the process from
    ending, as it would with the standard library's executor.
    """

    def __init__(self, name: str, *, threads: int, waiting: int) -> None:
        self._places = threading.BoundedSemaphore(threads + waiting)
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True)
            for number in range(threads)
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop the threads when the work handed in so far is done; does not wait for it."""
        for _ in self._threads:
            self._jobs.put(None)

    async def run(self, work: Callable[[], _Result]) -> _Result:
        """Return what `work` returns, or raise what it raises; `QueueFull` if there is no place.

        Who is cancelled while waiting gives up their turn; work already begun goes on, and
        keeps its place until it ends.
        """
        if not self._places.acquire(blocking=False):
            raise QueueFull
        future: Future[_Result] = Future()

        def job() -> None:
            try:
                if future.set_running_or_notify_cancel():
                    future.set_result(work())
            except Exception as error:  # noqa: BLE001 -- raised anew where it is awaited
                future.set_exception(error)
            finally:
                self._places.release()

        self._jobs.put(job)
        return await asyncio.wrap_future(future)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
