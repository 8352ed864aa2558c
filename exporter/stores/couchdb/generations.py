"""Generations: which definitions tallies were counted under, and which are active."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from exporter.clock import now
from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.definitions import Definitions
from exporter.ports import StoreError, stored_definitions
from exporter.stores.couchdb.server import Database
from exporter.stores.couchdb.tiles import EARLIER_TILES, OVERFLOW
from exporter.stores.couchdb.transport import Conflict

DOCUMENT = "definitions"
FORMAT = 1


class Generation(msgspec.Struct, frozen=True):
    """One set of definitions at one time; numbers are never used again."""

    digest: str
    definitions: str


class Generations(msgspec.Struct, frozen=True, rename={"active": "in_force"}):
    """Generations by number. Every exporter counts under the active and the pending one.

    `used_slot_tiles`: which slot tiles any tally has used. Earlier versions said how many:
    `slot_tiles`. `anew`: the active generation's counts were found wrong, and the pending one
    takes its place; `untrusted`: they are not even to be read.
    """

    format: int
    active: int
    generations: Mapping[str, Generation]
    pending: int | None = None
    slot_tiles: int = 1
    used_slot_tiles: tuple[int, ...] = ()
    anew: bool = False
    untrusted: bool = False

    @property
    def tiles_used(self) -> frozenset[int]:
        """Which slot tiles to read."""
        earlier = (*range(min(self.slot_tiles, EARLIER_TILES)),)
        overflow = (OVERFLOW,) if self.slot_tiles > EARLIER_TILES else ()
        return frozenset((*earlier, *overflow, *self.used_slot_tiles))

    @property
    def counted(self) -> tuple[int, ...]:
        """The generations to count under, the active one first."""
        return (self.active,) if self.pending is None else (self.active, self.pending)

    def of(self, number: int) -> Generation:
        """Return a generation."""
        return self.generations[str(number)]


class DefinitionsDocument:
    """The document that says which generations there are, and the evaluators that they mean."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._evaluators: dict[str, Evaluator] = {}
        self._last: Generations | None = None

    def know(self, *evaluators: Evaluator) -> None:
        """Keep evaluators, which are costly to make."""
        self._evaluators |= {evaluator.digest: evaluator for evaluator in evaluators}

    def evaluator(self, generation: Generation) -> Evaluator:
        """Return the counting of a generation, another exporter's too."""
        if generation.digest not in self._evaluators:
            self.know(Evaluator(stored_definitions(generation.definitions.encode())))
        return self._evaluators[generation.digest]

    def evaluators(self, numbers: Iterable[int]) -> dict[int, Evaluator]:
        """Return the evaluators of those generations that still matter."""
        known = self.last.generations
        return {n: self.evaluator(known[str(n)]) for n in numbers if str(n) in known}

    @property
    def last(self) -> Generations:
        """What was read last."""
        return self._last or self.read()

    def found(self) -> Generations | None:
        """Read the document; None in a new store."""
        found = self._database.get(DOCUMENT, Generations)
        if found is None:
            return None
        if found.document.format > FORMAT:
            raise StoreError(
                f"{self._database.url} was written by a newer kpi-exporter (format"
                f" {found.document.format}, known here: {FORMAT}); upgrade kpi-exporter"
            )
        self._last = found.document
        return found.document

    def read(self) -> Generations:
        """Read the document. Raises `StoreError` if it is gone."""
        found = self.found()
        if found is None:
            raise self._database.has_lost(DOCUMENT)
        return found

    def start(self, evaluator: Evaluator) -> Generations:
        """Activate the first definitions of a new store, unless some are active."""
        first = Generations(
            format=FORMAT, active=1, generations={"1": _generation(evaluator.definitions)}
        )
        try:
            self._database.put(DOCUMENT, first)
        except Conflict:
            return self.read()
        self._last = first
        return first

    def rebuild_anew(self) -> None:
        """Start to rebuild all tallies, since some were found wrong; meanwhile they are shown."""
        self.change(lambda state: rebuilt_anew(state, readable=True))

    def change(self, change: Callable[[Generations], Generations]) -> Generations:
        """Change the document, also when another exporter does so meanwhile."""
        self._last = self._database.change(DOCUMENT, Generations, change)
        return self._last


def with_pending(state: Generations, evaluator: Evaluator) -> Generations:
    """Add a pending generation, in place of another one that was not finished.

    Rows name the generations that their batch counts under. Its number is the time, so that none is
    used again, though this document may be lost and come back from a backup.
    """
    if state.pending is not None and state.of(state.pending).digest == evaluator.digest:
        return state
    return _with(state, _generation(evaluator.definitions))


def _with(state: Generations, added: Generation) -> Generations:
    number = max(*map(int, state.generations), int(now().timestamp())) + 1
    return msgspec.structs.replace(
        state,
        pending=number,
        generations={str(state.active): state.of(state.active), str(number): added},
    )


def rebuilt_anew(state: Generations, *, readable: bool) -> Generations:
    """Add a pending generation because counts were found wrong, in place of another pending one.

    `readable`: the active counts are nearly right, and are shown meanwhile.
    """
    requested = state.of(state.active if state.pending is None else state.pending)
    changed = _with(msgspec.structs.replace(state, pending=None), requested)
    return msgspec.structs.replace(changed, anew=True, untrusted=state.untrusted or not readable)


def switched(state: Generations, number: int) -> Generations:
    """Activate the pending generation."""
    if state.pending != number:
        return state
    return msgspec.structs.replace(
        state,
        active=number,
        pending=None,
        generations={str(number): state.of(number)},
        anew=False,
        untrusted=False,
    )


def merged_generations(documents: Sequence[Generations]) -> Generations:
    """Return the state that has come furthest; its slot tiles are those that any knows of."""
    furthest = max(documents, key=lambda state: (state.active, state.pending or 0))
    used = {tile for state in documents for tile in state.used_slot_tiles}
    return msgspec.structs.replace(
        furthest,
        slot_tiles=max(state.slot_tiles for state in documents),
        used_slot_tiles=tuple(sorted(used)),
    )


def _generation(definitions: Definitions) -> Generation:
    return Generation(digest=definitions.digest, definitions=definitions.to_json().decode())
