"""What a store must hold and count: a dictionary, and the domain's pure tally over it."""

from collections import Counter
from dataclasses import dataclass, field

from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.interaction import Reason, Rejected, StoredInteraction
from exporter.domain.tally import Key, Tally
from exporter.ports import Batch, Store

ALL_TIME = (0, 1 << 42)  # in milliseconds; in hours it is more than enough as well


@dataclass
class Oracle:
    """Every row by its id, in the state that the last batch left it in."""

    interactions: dict[str, StoredInteraction] = field(default_factory=dict)
    ignored: set[str] = field(default_factory=set)
    rejected: dict[str, Rejected] = field(default_factory=dict)

    def add(self, batch: Batch) -> None:
        for row in batch.interactions:
            self.interactions[row.id] = StoredInteraction(row.id, row.timestamp_ms, row.raw)
            self.ignored.discard(row.id)
            self.rejected.pop(row.id, None)
        for ignored in batch.ignored:
            self.interactions.pop(ignored.id, None)
            self.rejected.pop(ignored.id, None)
            self.ignored.add(ignored.id)
        for rejected in batch.rejected:
            if rejected.id not in self.interactions and rejected.id not in self.ignored:
                self.rejected.setdefault(rejected.id, rejected)

    def tally(self, evaluator: Evaluator) -> Tally:
        return evaluator.tally_stored(self.interactions.values())

    def reasons(self) -> dict[Reason, int]:
        return dict(Counter(row.reason for row in self.rejected.values()))


def counted(store: Store) -> Tally:
    """All that a store has counted, by hour."""
    return {
        Key(row.start, row.segmentation, row.segment): row.counts
        for row in store.by_hour(0, ALL_TIME[1] // 3_600_000)
        if row.counts
    }


def assert_holds(store: Store, oracle: Oracle, evaluator: Evaluator) -> None:
    stats = store.stats()
    assert counted(store) == oracle.tally(evaluator)
    assert stats.interactions == len(oracle.interactions)
    assert stats.ignored == len(oracle.ignored)
    assert dict(stats.rejected) == oracle.reasons()
