"""A pipeline of iterators: what is asked for next is made while the last is being used."""

import threading
from _thread import start_new_thread
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from queue import Empty, Queue, SimpleQueue
from typing import TypeAlias, TypeVar

Item = TypeVar("Item")
Jobs: TypeAlias = Callable[[], None]
BEGINS_SECONDS = 10.0
LOOKS_SECONDS = 1.0


class Hands:
    """Threads that stay, each for one piece of work after the other.

    A new thread needs memory, and where that is out it may die before it has begun, while
    `threading.Thread.start` waits for it for ever. So one that is there is taken first, and
    whoever gives it work waits for a sign of its having begun.
    """

    def __init__(self, start: Callable[[Jobs, tuple[()]], object] = start_new_thread) -> None:
        self._start = start
        self._idle: list[SimpleQueue[Jobs]] = []

    def give(self, work: Jobs) -> None:
        """Have this done, by the next thread that is idle or by a new one. Raises `MemoryError`."""
        with suppress(IndexError):  # none is idle
            self._idle.pop().put(work)
            return
        given: SimpleQueue[Jobs] = SimpleQueue()
        given.put(work)

        def live() -> None:
            while True:
                given.get()()
                self._idle.append(given)

        try:
            self._start(live, ())
        except RuntimeError as error:
            raise MemoryError("no thread can be started") from error


class _End:
    """The iterator ended, with a failure or without."""

    __slots__ = ("failure",)

    def __init__(self) -> None:
        self.failure: BaseException | None = None


_HANDS = Hands()


def ahead(
    items: Iterable[Item],
    *,
    depth: int = 1,
    hands: Hands = _HANDS,
    begins_seconds: float = BEGINS_SECONDS,
) -> Iterator[Item]:
    """Iterate in another thread, so many items ahead; failures come in their place.

    Whoever stops early leaves the thread to come to an end by itself, at the latest with its next
    item. Raises `MemoryError` if no thread begins within so many seconds.
    """
    queue: Queue[Item | _End] = Queue(depth)
    end = _End()  # beforehand: afterwards there may be no memory for it
    begun, left = threading.Event(), threading.Event()

    def work() -> None:
        try:
            begun.set()
            for item in items:
                queue.put(item)
                if left.is_set():
                    return
        except BaseException as failure:  # noqa: BLE001 -- raised again where it is awaited
            end.failure = failure
        _tell(queue, end, left)

    try:
        hands.give(work)
        if not begun.wait(begins_seconds):
            raise MemoryError("a thread did not begin")
        while True:
            item = _next(queue)
            if isinstance(item, _End):
                if item.failure is not None:
                    raise item.failure
                return
            yield item
    finally:
        left.set()
        while not queue.empty():  # so that the thread is not left waiting to put
            queue.get_nowait()


def _next(queue: Queue[Item | _End]) -> Item | _End:
    """Wait for what comes, and look now and then: out of memory, nobody may be woken for it."""
    while True:
        with suppress(Empty):
            return queue.get(timeout=LOOKS_SECONDS)


def _tell(queue: Queue[Item | _End], end: _End, left: threading.Event) -> None:
    """Tell whoever waits that there is no more: where memory is out, as soon as there is some."""
    while not left.is_set():
        try:
            queue.put(end)
        except MemoryError:
            continue
        return
