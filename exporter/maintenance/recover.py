"""Salvage: what can be read of a damaged store, added to a store that works.

What that one holds already stays as it is: it may have been imported since, and be newer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from exporter.domain.classify.classifier import OLDEST_TIMESTAMP_MS
from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.interaction import MS_PER_HOUR, Hour, StoredInteraction
from exporter.domain.portions import portions
from exporter.domain.windows import hour_of
from exporter.ports import Batch, Store, StoreDamagedError, StoreError, stored_definitions

FIRST: Hour = OLDEST_TIMESTAMP_MS // MS_PER_HOUR
PORTION = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Salvaged:
    """How far it has come: interactions added, and hours of which some could not be read."""

    added: int
    lost_hours: int


def salvage(damaged: Store, target: Store, now: datetime) -> Iterator[Salvaged]:
    """Add the interactions that can be read, under the target's definitions.

    Yields after each portion and each hour that is lost. Raises `StoreError` for the target.
    """
    definitions = target.active_definitions()
    if definitions is None:
        raise StoreError("the store to add to is new; let serve or import fill it first")
    evaluator = Evaluator(stored_definitions(definitions))
    target.use_definitions(evaluator)
    added = lost_hours = 0
    for portion in _readable(damaged, hour_of(now) + 1):
        if portion:
            new = _not_held(portion, target)
            added += target.add(Batch(interactions=evaluator.reread(new)), now).imported
        else:
            lost_hours += 1
        yield Salvaged(added=added, lost_hours=lost_hours)


def _readable(damaged: Store, end: Hour) -> Iterator[Sequence[StoredInteraction]]:
    """Return portions, some rows twice; an empty one for an hour that could not be read whole.

    What is read at once grows as long as that works, and is halved where it does not.
    """
    at, hours = FIRST, end - FIRST
    while at < end:
        rows = damaged.interactions(at * MS_PER_HOUR, (at + hours) * MS_PER_HOUR)
        try:
            yield from portions(rows, PORTION)
        except StoreDamagedError:
            if hours > 1:
                hours //= 2
                continue
            yield ()
        at, hours = at + hours, hours * 2


def _not_held(portion: Sequence[StoredInteraction], target: Store) -> list[StoredInteraction]:
    stored = target.interactions(portion[0].timestamp_ms, portion[-1].timestamp_ms + 1)
    ids = {row.id for row in stored}
    return [row for row in portion if row.id not in ids]
