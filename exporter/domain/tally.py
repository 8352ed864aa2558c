"""Tallies: whole numbers by hour, segmentation, segment and slot. They only ever add up."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from itertools import chain
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
    """Count interactions: first those of an hour that are alike, by the rows they lie in."""
    shapes: defaultdict[tuple[Hour, tuple[int, ...]], list[tuple[int, ...]]] = defaultdict(list)
    sites: defaultdict[tuple[Hour, int], list[tuple[int, ...]]] = defaultdict(list)
    for fact in facts:
        shapes[fact.hour, fact.slots].append(fact.rows)
        if fact.sites:
            sites[fact.hour, fact.sites].append(fact.rows)
    result: Tally = {}
    for (hour, slots), alike in shapes.items():
        for row, n in Counter(chain.from_iterable(alike)).items():
            counts = result.setdefault(Key(hour, *layout.rows[row]), {})
            for slot in slots:
                counts[slot] = counts.get(slot, 0) + n
    for (hour, number), alike in sites.items():
        for row, n in Counter(chain.from_iterable(alike)).items():
            counts = result[Key(hour, *layout.rows[row])]
            counts[layout.sites] = counts.get(layout.sites, 0) + number * n
            counts[layout.sites_histogram + number] = n
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
