"""Iterating in another thread, and what happens when there is none."""

from collections.abc import Callable
from queue import Queue
from threading import Condition, Event, Thread
from typing import Any

import pytest

from exporter.ingest.prefetch import Hands, ahead
from testing.waiting import WAIT_SECONDS


def test_items_come_in_their_order() -> None:
    assert list(ahead(range(100))) == list(range(100))


def test_a_failure_comes_in_its_place() -> None:
    came = ahead(1 // divisor for divisor in (1, 1, 0))

    assert [next(came), next(came)] == [1, 1]
    with pytest.raises(ZeroDivisionError):
        next(came)


def test_a_thread_that_has_ended_its_work_is_given_the_next() -> None:
    started: list[Callable[[], None]] = []

    def start(work: Callable[[], None], _: tuple[()]) -> None:
        started.append(work)
        Thread(target=work, daemon=True).start()

    hands = Hands(start)
    for _ in range(20):
        assert list(ahead(range(3), hands=hands)) == [0, 1, 2]

    assert len(started) < 20  # the last one may still be putting its tools away


def test_a_thread_that_dies_before_it_has_begun_is_not_waited_for() -> None:
    """As Python lets it, out of memory: it says so on standard error, and to nobody else."""
    stillborn = Hands(lambda *_: None)

    with pytest.raises(MemoryError, match="did not begin"):
        next(ahead([1], hands=stillborn, begins_seconds=0.05))


def test_a_thread_that_cannot_be_started_is_a_lack_of_memory() -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    with pytest.raises(MemoryError, match="no thread can be started"):
        next(ahead([1], hands=Hands(refuse)))


def test_the_end_is_told_as_soon_as_there_is_memory_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refused = iter([True, True])

    class Short(Queue[Any]):
        def put(self, item: Any, *_: object) -> None:
            if not isinstance(item, int) and next(refused, False):
                raise MemoryError
            super().put(item)

    monkeypatch.setattr("exporter.ingest.prefetch.Queue", Short)

    assert list(ahead(iter([1, 2]))) == [1, 2]
    assert next(refused, None) is None


def test_what_nobody_was_woken_for_is_found_by_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = Event()

    class Watched(Condition):
        def wait(self, timeout: float | None = None) -> bool:
            waiting.set()
            return super().wait(timeout)

    class Silent(Queue[Any]):
        def __init__(self, depth: int) -> None:
            super().__init__(depth)
            self.not_empty = Watched(self.mutex)

        def put(self, item: Any, *_: object) -> None:
            assert waiting.wait(WAIT_SECONDS)
            with self.mutex:
                self.queue.append(item)

    monkeypatch.setattr("exporter.ingest.prefetch.Queue", Silent)
    monkeypatch.setattr("exporter.ingest.prefetch.LOOKS_SECONDS", 0.02)

    assert list(ahead(iter([1, 2]))) == [1, 2]
