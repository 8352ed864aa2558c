"""Explanations: where a number comes from, in counts by hour and in single interactions."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import blake2b
from heapq import heappush, heappushpop

import msgspec

from exporter.domain.classify.decoder import number
from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.interaction import MS_PER_HOUR, Hour, StoredInteraction
from exporter.domain.tally import Counts, Key, add
from exporter.ports import RowStore, Store

_SAID_EVERY = 1_000  # interactions
_ALL_REJECTED = 1_000_000  # more than a store keeps


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What is to be explained: a segment of a segmentation, from `start` until before `end`.

    An interaction is late if it arrived more than `grace` after the end of its hour; nobody
    knows how late those were that arrived until `watched_ms`, with the first import, say.
    """

    segmentation: str
    segment: str
    start: Hour
    end: Hour
    grace: timedelta
    watched_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """How many interactions arrived, how many of them late, how many nobody knows when."""

    interactions: int = 0
    late: int = 0
    unknown: int = 0

    def __add__(self, other: "Arrivals") -> "Arrivals":
        return Arrivals(
            interactions=self.interactions + other.interactions,
            late=self.late + other.late,
            unknown=self.unknown + other.unknown,
        )


class Sample:
    """A few of many interactions: always the same, in whatever order they come."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: list[tuple[int, str, int]] = []

    def offer(self, stored: StoredInteraction) -> None:
        """Keep an interaction, if it is to be among the few."""
        digest = blake2b(stored.id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        one = (-int.from_bytes(digest), stored.id, stored.timestamp_ms)
        if len(self._kept) < self._size:
            heappush(self._kept, one)
        elif self._size:
            heappushpop(self._kept, one)

    def kept(self) -> list[tuple[str, int]]:
        """Return ids and timestamps (ms), by timestamp."""
        return sorted(((id_, at) for _, id_, at in self._kept), key=lambda one: (one[1], one[0]))


class Explanation:
    """What lies behind the counts of a scope, once all of `read` is consumed.

    `counted` is what the store has counted, by hour; `recomputed` what its interactions come to
    in all; `latest` by how much the latest of them was late; `samples` holds a few of the
    interactions that each of `slots` counts.
    """

    def __init__(
        self, evaluator: Evaluator, scope: Scope, *, slots: Collection[int], sample: int
    ) -> None:
        self._evaluator = evaluator
        self.scope = scope
        self.counted: dict[Hour, Counts] = {}
        self.recomputed: Counts = {}
        self.arrivals: dict[Hour, Arrivals] = {}
        self.latest = timedelta()
        self.samples = {slot: Sample(sample) for slot in slots}

    @property
    def total(self) -> Counts:
        """What the store has counted, in all."""
        total: Counts = {}
        for counts in self.counted.values():
            add(total, counts)
        return total

    def read(self, store: Store) -> Iterator[int]:
        """Read counts and interactions; yields now and then how many. Raises `StoreError`."""
        scope = self.scope
        row = scope.segmentation, scope.segment
        place = self._evaluator.layout.segments.index(row)
        for sum_ in store.by_hour(scope.start, scope.end, (scope.segmentation,)):
            if sum_.segment == scope.segment:
                self.counted[sum_.start] = sum_.counts
        read = 0
        for stored in store.interactions(scope.start * MS_PER_HOUR, scope.end * MS_PER_HOUR):
            for interaction in self._evaluator.reread([stored]):
                if place in interaction.facts.segment_indexes:
                    tally = self._evaluator.tally([interaction])
                    hour = interaction.facts.hour
                    self._count(hour, stored, tally[Key(hour, *row)])
            read += 1
            if read % _SAID_EVERY == 0:
                yield read
        yield read

    def _count(self, hour: Hour, stored: StoredInteraction, counts: Counts) -> None:
        add(self.recomputed, counts)
        for slot in self.samples.keys() & counts.keys():
            self.samples[slot].offer(stored)
        arrived = Arrivals(interactions=1)
        lateness = self._lateness(stored)
        if lateness is None:
            arrived = replace(arrived, unknown=1)
        elif lateness > self.scope.grace:
            arrived = replace(arrived, late=1)
            self.latest = max(self.latest, lateness)
        self.arrivals[hour] = self.arrivals.get(hour, Arrivals()) + arrived

    def _lateness(self, stored: StoredInteraction) -> timedelta | None:
        """Return how long after the end of its hour an interaction arrived, if that is known."""
        if stored.arrived_ms is None or stored.arrived_ms <= self.scope.watched_ms:
            return None
        hour = stored.timestamp_ms // MS_PER_HOUR
        return timedelta(milliseconds=stored.arrived_ms - (hour + 1) * MS_PER_HOUR)


def rejected_within(store: RowStore, start: Hour, end: Hour) -> list[str]:
    """Return the ids of rejected rows that would lie in a range, had they been readable.

    Those whose timestamp is in seconds too. Raises `StoreError`.
    """
    return [
        row.id
        for row in store.rejected(_ALL_REJECTED)
        for timestamp in (_timestamp(row.raw),)
        if timestamp is not None
        and any(start <= ms / MS_PER_HOUR < end for ms in (timestamp, timestamp * 1_000))
    ]


def _timestamp(raw: bytes) -> float | None:
    try:
        blob = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    return number(blob.get("timestamp")) if isinstance(blob, dict) else None
