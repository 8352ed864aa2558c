"""Tallies: whole numbers by hour, segmentation, segment and slot. They only ever add up."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import chain
from struct import unpack
from typing import NamedTuple, TypeAlias

from exporter.domain.histogram import sites_bucket
from exporter.domain.interaction import Facts, Hour
from exporter.domain.layout import Layout

Counts: TypeAlias = dict[int, int]
"""Slot -> count, without the zeros. What a slot means is for `Layout` to say."""


class FixedCounts(dict[int, int]):
    """Counts that no longer change, so that their slots are sorted once."""

    @cached_property
    def ordered(self) -> Sequence[int]:
        """The slots, ascending."""
        return sorted(self)


def ordered(counts: Mapping[int, int]) -> Sequence[int]:
    """Return the slots of counts, ascending."""
    return counts.ordered if isinstance(counts, FixedCounts) else sorted(counts)


class Key(NamedTuple):
    """Where counts belong: an hour, and a segment of a segmentation (`("", "Total")` for all)."""

    hour: Hour
    segmentation: str
    segment: str


Tally: TypeAlias = dict[Key, Counts]

_LANE_BITS = 32  # more than the interactions of an hour that are ever counted at once


def tally(layout: Layout, facts: Iterable[Facts]) -> Tally:
    """Count interactions, hour by hour."""
    by_hour: defaultdict[Hour, list[Facts]] = defaultdict(list)
    for fact in facts:
        by_hour[fact.hour].append(fact)
    return {
        Key(hour, *layout.segments[row]): counts
        for hour, of_hour in by_hour.items()
        for row, counts in enumerate(_count(layout, of_hour))
        if counts
    }


def _count(layout: Layout, of_hour: Sequence[Facts]) -> list[Counts]:
    """Count the interactions of an hour in each row: first those that are alike.

    A row's counters are lanes of one whole number, so that all that an interaction raises is
    raised by one addition: a third of the time of raising them one by one.
    """
    shapes: defaultdict[tuple[int, ...], list[tuple[int, ...]]] = defaultdict(list)
    sites: defaultdict[int, list[tuple[int, ...]]] = defaultdict(list)
    for fact in of_hour:
        shapes[fact.counter_indexes].append(fact.segment_indexes)
        if fact.sites:
            sites[fact.sites].append(fact.segment_indexes)
    lanes = [0] * len(layout.segments)
    for slots, alike in shapes.items():
        raised = sum(1 << _LANE_BITS * slot for slot in slots)
        for row, n in Counter(chain.from_iterable(alike)).items():
            lanes[row] += n * raised
    counted = [_counts(number) for number in lanes]
    if layout.durations:
        for counts, buckets in zip(counted, _buckets(layout, of_hour), strict=True):
            if buckets:
                counts.update(Counter(buckets))
    for number, alike in sites.items():
        slot = layout.sites_histogram + sites_bucket(number)
        for row, n in Counter(chain.from_iterable(alike)).items():
            counts = counted[row]
            counts[layout.sites] = counts.get(layout.sites, 0) + number * n
            counts[slot] = counts.get(slot, 0) + n
    return counted


def _buckets(layout: Layout, of_hour: Iterable[Facts]) -> list[list[int]]:
    """Return the buckets of durations that the interactions of each row are in."""
    rows: list[list[int]] = [[] for _ in layout.segments]
    for fact in of_hour:
        if fact.buckets:
            for row in fact.segment_indexes:
                rows[row] += fact.buckets
    return rows


def _counts(lanes: int) -> Counts:
    """Read the lanes of a whole number: slot -> count."""
    used = -(-lanes.bit_length() // _LANE_BITS)
    counts = unpack(f"<{used}I", lanes.to_bytes(used * _LANE_BITS // 8, "little"))
    return {slot: n for slot, n in enumerate(counts) if n}


def add(into: Counts, counts: Mapping[int, int], sign: int = 1) -> None:
    """Add counts to others in place, or take them off with sign -1; zeros vanish."""
    if sign == -1:
        counts = {slot: -n for slot, n in counts.items()}
    if not into:
        into.update(counts)
        return
    count_of = into.get
    for slot, n in counts.items():
        total = count_of(slot, 0) + n
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
