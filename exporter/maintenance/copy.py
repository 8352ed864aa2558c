"""Copying: everything that one store holds into another, of whatever technology.

It may be stopped and begun again at any time: how far it came is remembered in the target, and
what is there already is a duplicate. A source that goes on importing meanwhile is copied whole
by copying it once more.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter

import msgspec

from exporter import notes
from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.interaction import Rejected, StoredInteraction
from exporter.domain.portions import cut, portions
from exporter.domain.windows import instant_of
from exporter.ports import Batch, Store, StoreError, stored_definitions

PORTION = 5_000
ALL_REJECTED = 1_000_000  # more than a store keeps
_NEVER_MS = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """How far a copy has come, in interactions."""

    done: int
    total: int


class _Place(msgspec.Struct):
    """What a copy that was stopped had behind it: all interactions before a timestamp (ms).

    `done`: how many those are; `at`: how many of that very timestamp were copied as well.
    """

    before_ms: int = 0
    done: int = 0
    at: int = 0

    def after(self, portion: Sequence[StoredInteraction]) -> "_Place":
        """Return the place after one more portion."""
        last_ms = portion[-1].timestamp_ms
        at = sum(row.timestamp_ms == last_ms for row in portion)
        if last_ms == self.before_ms:
            return _Place(before_ms=last_ms, done=self.done, at=self.at + at)
        before = self.done + self.at + len(portion) - at
        return _Place(before_ms=last_ms, done=before, at=at)


def copy(source: Store, target: Store, now: datetime) -> Iterator[Copied]:
    """Copy a store; yields after each portion. Raises `StoreError`; what was copied stays.

    A new target takes the source's definitions; any other counts under its own.
    """
    evaluator = _evaluator(source, target)
    stats = source.stats()
    noted = target.note(notes.UNFINISHED_COPY)
    place = notes.read_json(notes.UNFINISHED_COPY, noted, _Place) or _Place()
    place.at = 0  # these come once more
    done = place.done
    for portion in portions(source.interactions(place.before_ms, _NEVER_MS), PORTION):
        target.add(Batch(interactions=evaluator.reread(portion)), now)
        place = place.after(portion)
        target.remember(notes.UNFINISHED_COPY, msgspec.json.encode(place).decode())
        done += len(portion)
        yield Copied(done=done, total=max(done, stats.interactions))
    for ignored in cut(source.ignored(), PORTION):
        target.add(Batch(ignored=ignored), now)
        yield Copied(done=done, total=done)
    for rejected in _rejected(source):
        target.add(*rejected)
    target.copied_from(stats)
    for name, value in source.notes().items():
        if target.note(name) is None:
            target.remember(name, value)
    target.remember(notes.COPIED, now.isoformat())
    target.remember(notes.UNFINISHED_COPY, msgspec.json.encode(_Place()).decode())


def _evaluator(source: Store, target: Store) -> Evaluator:
    """Open both; return the evaluator of what is written."""
    definitions = source.active_definitions()
    if definitions is None:
        raise StoreError("the store to copy from is empty")
    of_source = Evaluator(stored_definitions(definitions))
    source.use_definitions(of_source)
    of_target = target.active_definitions()
    evaluator = of_source if of_target is None else Evaluator(stored_definitions(of_target))
    target.use_definitions(evaluator)
    return evaluator


def _rejected(source: Store) -> Iterator[tuple[Batch, datetime]]:
    """Return the rejected rows, the oldest first, with the time of their refusal."""
    rows = source.rejected(ALL_REJECTED)[::-1]
    for refused_ms, together in groupby(rows, attrgetter("refused_ms")):
        rejected = [Rejected(row.id, row.raw, row.reason, row.detail) for row in together]
        yield Batch(rejected=rejected), instant_of(refused_ms)
