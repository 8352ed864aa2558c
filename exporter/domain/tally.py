"""Tallies: whole numbers by hour, segmentation, segment and slot. They only ever add up."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from exporter.domain.interaction import Facts, Hour
from exporter.domain.layout import Layout

What = TypeVar("What")
Counts: TypeAlias = dict[int, int]
"""Slot -> count, without the zeros. What a slot means is for `Layout` to say."""


class Key(NamedTuple):
    """Where counts belong: an hour, and a segment of a segmentation (`("", "Total")` for all)."""

    hour: Hour
    segmentation: str
    segment: str


Tally: TypeAlias = dict[Key, Counts]


def tally(layout: Layout, facts: Iterable[Facts]) -> Tally:
    """Count interactions."""
    shapes: _Places[tuple[int, ...]] = _Places(layout)
    sites: _Places[int] = _Places(layout)
    for fact in facts:
        shapes.put(fact.hour, fact.rows, fact.slots)
        if fact.sites:
            sites.put(fact.hour, fact.rows, fact.sites)
    result: Tally = {}
    for key, slots, n in shapes.counted():
        counts = result.setdefault(key, {})
        for slot in slots:
            counts[slot] = counts.get(slot, 0) + n
    for key, number, n in sites.counted():
        counts = result[key]
        counts[layout.sites] = counts.get(layout.sites, 0) + number * n
        counts[layout.sites_histogram + number] = n
    return result


class _Places(Generic[What]):
    """Counts what happened by hour and row; most of it is alike.

    A place is a whole number, (hour, what) * width + row: those count faster than tuples.
    """

    def __init__(self, layout: Layout) -> None:
        self._rows = layout.rows
        self._width = len(layout.rows)
        self._kinds: dict[tuple[Hour, What], int] = {}
        self._places: list[int] = []

    def put(self, hour: Hour, rows: Sequence[int], what: What) -> None:
        kinds = self._kinds
        first = kinds.setdefault((hour, what), len(kinds)) * self._width
        self._places += [first + row for row in rows]

    def counted(self) -> Iterator[tuple[Key, What, int]]:
        kinds = list(self._kinds)
        for place, n in Counter(self._places).items():
            kind, row = divmod(place, self._width)
            hour, what = kinds[kind]
            yield Key(hour, *self._rows[row]), what, n


def add(into: Counts, counts: Mapping[int, int], sign: int = 1) -> None:
    """Add counts to others in place, or take them off with sign -1; zeros vanish."""
    for slot, n in counts.items():
        total = into.get(slot, 0) + sign * n
        if total:
            into[slot] = total
        else:
            into.pop(slot, None)


def merge(into: Tally, other: Tally, sign: int = 1) -> None:
    """Add a tally to another in place, or take it off with sign -1; empty keys vanish."""
    for key, counts in other.items():
        mine = into.setdefault(key, {})
        add(mine, counts, sign)
        if not mine:
            del into[key]
