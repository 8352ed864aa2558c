"""Iterating in another thread."""

from collections.abc import Iterator
from threading import Event

import pytest

from exporter.ingest.prefetch import prefetch
from testing.waiting import eventually


def test_items_come_in_their_order() -> None:
    assert list(prefetch(range(100))) == list(range(100))


def test_an_error_comes_in_its_place() -> None:
    items = prefetch(1 // divisor for divisor in (1, 1, 0))

    assert [next(items), next(items)] == [1, 1]
    with pytest.raises(ZeroDivisionError):
        next(items)


def test_a_caller_who_stops_early_ends_the_thread() -> None:
    ended = Event()

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            ended.set()

    items = prefetch(endless())
    assert next(items) == 0
    items.close()

    eventually(ended.is_set)
