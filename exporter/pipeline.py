"""A pipeline of iterators: what is asked for next is made while the last is being used."""

import threading
from collections.abc import Iterable, Iterator
from queue import Queue
from typing import TypeVar

Item = TypeVar("Item")


class _End:
    """The iterator ended, with a failure or without."""

    def __init__(self, failure: BaseException | None) -> None:
        self.failure = failure


def ahead(items: Iterable[Item], *, depth: int = 1) -> Iterator[Item]:
    """Iterate in a thread of its own, so many items ahead; failures come in their place.

    Whoever stops early leaves the thread to end by itself, at the latest with its next item.
    """
    queue: Queue[Item | _End] = Queue(depth)
    left = threading.Event()

    def work() -> None:
        end = _End(None)
        try:
            for item in items:
                queue.put(item)
                if left.is_set():
                    return
        except BaseException as failure:  # noqa: BLE001 -- raised again where it is awaited
            end = _End(failure)
        queue.put(end)

    threading.Thread(target=work, name="ahead", daemon=True).start()
    try:
        while True:
            item = queue.get()
            if isinstance(item, _End):
                if item.failure is not None:
                    raise item.failure
                return
            yield item
    finally:
        left.set()
        while not queue.empty():  # so that the thread is not left waiting to put
            queue.get_nowait()
