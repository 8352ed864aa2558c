"""Prefetching: the next items of an iterator are made while the last is being used."""

import threading
from collections.abc import Generator, Iterable
from queue import Queue
from typing import TypeVar

Item = TypeVar("Item")


class _End:
    """The iterator ended, with an error or without."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def prefetch(items: Iterable[Item]) -> Generator[Item, None, None]:
    """Iterate in another thread, one item in advance; an error comes in its place.

    Where the caller stops early, the thread ends with its next item. Raises `MemoryError` if no
    thread can be started.
    """
    queue: Queue[Item | _End] = Queue(1)
    cancelled = threading.Event()

    def fetch() -> None:
        try:
            for item in items:
                queue.put(item)
                if cancelled.is_set():
                    return
            queue.put(_End())
        except BaseException as error:  # noqa: BLE001 -- raised again where it is awaited
            queue.put(_End(error))

    try:
        threading.Thread(target=fetch, name="prefetch", daemon=True).start()
    except RuntimeError as error:
        raise MemoryError("no thread can be started") from error
    try:
        while not isinstance(item := queue.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        cancelled.set()
        while not queue.empty():  # so that the thread is not left waiting to put
            queue.get_nowait()
