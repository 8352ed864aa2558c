"""Portions: a bounded number of rows at a time, and no more bytes than memory has room for."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Protocol, TypeVar

MOST_BYTES = 16 << 20  # of raw rows at a time: rows of 2 KB reach it with 8,000


class Sized(Protocol):
    """A row with its content."""

    @property
    def raw(self) -> bytes:
        """The content."""


T = TypeVar("T")
SizedRow = TypeVar("SizedRow", bound=Sized)


def portions(rows: Iterable[SizedRow], most_rows: int) -> Iterator[Sequence[SizedRow]]:
    """Yield rows in portions: one is full with `most_rows`, or with `MOST_BYTES`."""
    portion: list[SizedRow] = []
    size = 0
    for row in rows:
        portion.append(row)
        size += len(row.raw)
        if len(portion) >= most_rows or size >= MOST_BYTES:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


def cut(items: Iterable[T], most: int) -> Iterator[list[T]]:
    """Yield items in order, at most `most` at a time."""
    remaining = iter(items)
    while portion := list(islice(remaining, most)):
        yield portion
