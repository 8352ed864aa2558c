"""Tallies: whole numbers by hour, segmentation, segment and slot. They only ever add up."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias

from exporter.domain.interaction import Facts, Hour
from exporter.domain.layout import Layout

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
    width = len(layout.rows)
    kinds: dict[tuple[Hour, tuple[int, ...], int], int] = {}
    places: list[int] = []  # kind * width + row: whole numbers count faster than tuples
    for hour, rows, slots, sites in facts:
        first = kinds.setdefault((hour, slots, sites), len(kinds)) * width
        places += [first + row for row in rows]
    by_number = list(kinds)
    result: Tally = {}
    for place, n in Counter(places).items():
        kind, row = divmod(place, width)
        hour, slots, sites = by_number[kind]
        counts = result.setdefault(Key(hour, *layout.rows[row]), {})
        for slot in slots:
            counts[slot] = counts.get(slot, 0) + n
        if sites:
            for slot, amount in ((layout.sites, sites * n), (layout.sites_histogram + sites, n)):
                counts[slot] = counts.get(slot, 0) + amount
    return result


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
