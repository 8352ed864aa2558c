"""Batches: what is written together, and counted once whatever happens.

A batch's document is written twice. First open, with the ids of all rows that are about to be
written; then, once CouchDB has said which of them were new, closed, with their tally. Both
under one revision history, so of two who want to close a batch one is told. Who finds an
open batch that its writer left reads the rows by their ids: those that carry the batch's id
belong to it. As long as one of the ids is missing, or has the revision that was to be replaced, a
write may still be under way (its writer was killed, the server goes on), and the batch is counted
as far as it is there, but stays open.

Where a database has copies on several nodes, a write that comes late is stored whatever is there
already. So a batch is closed by another than its writer only when it is old, and then names those
of its rows that it did not find, `uncounted`: if one appears after all, it is counted by itself
(see `conflicts`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from secrets import token_hex

import msgspec

from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.interaction import Interaction, StoredInteraction
from exporter.domain.portions import cut
from exporter.domain.tally import Tally, merge
from exporter.ports import StoreError
from exporter.stores.couchdb.design import Views
from exporter.stores.couchdb.documents import (
    STAMP_DIGITS,
    Change,
    Document,
    changes,
    row_id,
    stored,
)
from exporter.stores.couchdb.generations import DefinitionsDocument, Generations
from exporter.stores.couchdb.months import Months
from exporter.stores.couchdb.names import Month
from exporter.stores.couchdb.revisions import RowLeaf, by_id, edges_of
from exporter.stores.couchdb.server import NEVER, TRIES, Database, Found
from exporter.stores.couchdb.tiles import TileRow, encoded, slot_tiles
from exporter.stores.couchdb.transport import Conflict, NotFound

DAY_MS = 86_400_000
ABANDONED_MS = 600_000  # a batch open for longer has no writer any more
PAGE = 1000  # documents read at a time
PREFIX = "batch:"


class BatchDocument(msgspec.Struct, omit_defaults=True):
    """A batch as CouchDB holds it.

    `open`: document ids by month, until it is certain that all are counted; `uncounted`:
    those that it was closed without; `replaces`:
    revisions, by month and document id, that it is about to replace; `also`: generations
    that it has to be counted under beside those in its id; `held`: how many
    interactions and ignored rows each month has more by it; `newest`: the newest timestamp;
    `tallies`: rows of tiles by generation; `collected`: the rows are none of the source's.
    """

    opened: int
    collected: bool = False
    open: Mapping[Month, list[str]] | None = None
    replaces: Mapping[Month, Mapping[str, str]] = {}
    also: list[int] = []
    held: dict[Month, list[int]] = {}
    newest: int | None = None
    tallies: dict[str, list[TileRow]] = {}
    uncounted: dict[Month, list[str]] = {}

    def leaves_out(self, month: Month, id_: str) -> bool:
        """Return whether it was closed without a document of this id."""
        return id_ in self.uncounted.get(month, ())


@dataclass(slots=True)
class Batch:
    """A batch that this process has opened."""

    id: str
    rev: str
    document: BatchDocument


def generations_of(batch: str) -> frozenset[int]:
    """Return which generations a batch was to be counted under when it was opened."""
    return frozenset(int(number) for number in batch.split(".")[1:] if number.isdecimal())


class Contribution:
    """What a batch adds: to the rows held and, under any generation, to the tallies."""

    def __init__(self) -> None:
        self._fresh: list[Interaction] = []
        self._expected: Expected | None = None
        self._changes: list[Change] = []
        self.held: dict[Month, list[int]] = {}
        self.newest_ms: int | None = None

    @property
    def empty(self) -> bool:
        """Whether the batch changed nothing."""
        return not self._fresh and not self._changes

    def take_fresh(self, month: Month, interactions: Sequence[Interaction]) -> None:
        """Add interactions that were not stored before."""
        self._fresh += interactions
        self._hold(month, 0, len(interactions))
        self._see(row.timestamp_ms for row in interactions)

    def expect(self, expected: "Expected") -> None:
        """Add what was worked out in advance, for the case that all these rows are fresh."""
        self._expected = expected

    def take(self, month: Month, change: Change) -> None:
        """Add any change of a row."""
        self._changes.append(change)
        if change.before is not None:
            self._hold(month, 0 if change.before.raw else 1, -1)
        self._hold(month, 0 if change.after.raw else 1, 1)
        if change.after.raw and change.after.at is not None:
            self._see([change.after.at])

    def _hold(self, month: Month, kind: int, n: int) -> None:
        self.held.setdefault(month, [0, 0])[kind] += n

    def _see(self, timestamps_ms: Iterable[int]) -> None:
        self.newest_ms = max((*timestamps_ms, self.newest_ms or 0), default=0) or None

    def document(self, opened: BatchDocument, evaluators: Mapping[int, Evaluator]) -> BatchDocument:
        """Return what the batch adds, as the document that it was opened with."""
        return BatchDocument(
            opened=opened.opened,
            collected=opened.collected,
            held={month: kinds for month, kinds in self.held.items() if any(kinds)},
            newest=self.newest_ms,
            tallies={
                str(number): rows
                for number, evaluator in evaluators.items()
                if (rows := self._rows(evaluator))
            },
        )

    def _rows(self, evaluator: Evaluator) -> list[TileRow]:
        expected = self._expected
        counted = [change for change in self._changes if change.is_counted]
        if expected is None or expected.evaluator.digest != evaluator.digest:
            fresh = (StoredInteraction(row.id, row.timestamp_ms, row.raw) for row in self._fresh)
            tally = evaluator.tally_stored(fresh)
        elif len(self._fresh) < len(expected.interactions):
            tally = evaluator.tally(self._fresh)
        elif not counted:
            return expected.rows
        else:
            tally = expected.tally
        total: Tally = {}
        merge(total, tally)
        merge(total, tally_of(counted, evaluator))
        return encoded(total, evaluator.layout)


@dataclass(slots=True)
class _Written:
    """What was found of a batch: `is_settled` if every row is there, be it another batch's."""

    contribution: Contribution = field(default_factory=Contribution)
    is_settled: bool = True
    is_replicated: bool = False
    uncounted: dict[Month, list[str]] = field(default_factory=dict)


class Expected:
    """The tally of interactions that a counting read, worked out while they are written."""

    def __init__(self, evaluator: Evaluator, interactions: Sequence[Interaction]) -> None:
        self.evaluator = evaluator
        self.interactions = interactions
        self.tally = evaluator.tally(interactions)
        self.rows = encoded(self.tally, evaluator.layout)


def tally_of(done: Sequence[Change], evaluator: Evaluator) -> Tally:
    """Count what changes added, and take off what they replaced."""
    total: Tally = {}
    merge(total, evaluator.tally_stored(s for c in done for s in stored(c.id, c.after)))
    merge(total, evaluator.tally_stored(s for c in done for s in stored(c.id, c.before)), -1)
    return total


class Batches:
    """Opens, closes and recovers batches."""

    def __init__(
        self, tallies: Database, months: Months, register: DefinitionsDocument, views: Views
    ) -> None:
        self._tallies = tallies
        self._months = months
        self._register = register
        self._views = views

    def open(
        self,
        ids: Mapping[Month, list[str]],
        now_ms: int,
        replaces: Mapping[Month, Mapping[str, str]] | None = None,
        *,
        collected: bool = False,
        waited_ms: int = 0,
    ) -> Batch:
        """Open a batch, before the rows of these document ids are written.

        `replaces`: the revisions of those that are there and are to be replaced; `waited_ms`:
        how long ago the import began, whose time `now_ms` is.

        The generations are read again once it is open: an exporter that added one meanwhile either
        finds the batch among the open ones, or is found here.
        """
        state = self._register.last
        for _ in range(TRIES):
            numbers = "".join(f".{number}" for number in state.counted)
            batch = f"{now_ms:0{STAMP_DIGITS}x}{token_hex(5)}{numbers}"
            document = BatchDocument(
                opened=now_ms + waited_ms,
                open=ids,
                replaces=replaces or {},
                collected=collected,
            )
            rev = self._tallies.put(PREFIX + batch, document)
            after = self._register.read()
            if after.counted == state.counted:
                return Batch(batch, rev, document)
            state = after
            try:
                self._tallies.delete(PREFIX + batch, rev)
            except Conflict:  # nothing carries its id, so it closes empty
                continue
        raise StoreError(f"{self._tallies.url}: definitions change faster than batches open")

    def close(self, batch: Batch, contribution: Contribution) -> None:
        """Write the tally of a batch that was written to its end.

        Someone else may have taken it for abandoned, and counted a part; or a generation may
        have been added for it.
        """
        for _ in range(TRIES):
            try:
                self._write(batch.id, batch.rev, batch.document, contribution)
            except Conflict:
                found = self._tallies.get(PREFIX + batch.id, BatchDocument)
                if found and found.document.open is None:  # what it left out is counted by itself
                    return
                batch.rev = found.rev if found else NEVER
                batch.document.also = found.document.also if found else []
                self._register.read()  # it knows what `also` means
            else:
                return
        raise StoreError(f"{self._tallies.url}: a batch is changed by too many at once")

    def _write(
        self,
        batch: str,
        rev: str,
        document: BatchDocument,
        contribution: Contribution,
        uncounted: dict[Month, list[str]] | None = None,
    ) -> None:
        if contribution.empty and not uncounted:
            if rev != NEVER:
                self._tallies.delete(PREFIX + batch, rev)
            return
        evaluators = self._register.evaluators(sorted({*generations_of(batch), *document.also}))
        closed = contribution.document(document, evaluators)
        closed.also, closed.uncounted = document.also, uncounted or {}
        make_room(self._register, closed.tallies)
        self._tallies.put(PREFIX + batch, closed, rev)

    def recover(self, now_ms: int | None, *, opened_before_ms: int | None = None) -> None:
        """Count what abandoned batches wrote; a day after its opening a batch is closed."""
        for row in self._views.rows("open"):
            if opened_before_ms is None or row.key < opened_before_ms:
                self.recover_one((row.id or "").removeprefix(PREFIX), now_ms)

    def recover_one(self, batch: str, now_ms: int | None) -> None:
        """Count what one batch wrote, as far as it is there."""
        found = self._tallies.get(PREFIX + batch, BatchDocument)
        if found is None or found.document.open is None:
            return
        document = found.document
        self._register.read()
        written = self._written(batch, document)
        age_ms = None if now_ms is None else now_ms - document.opened
        if written.is_replicated:
            certain = written.is_settled and age_ms is not None and age_ms > ABANDONED_MS
        else:
            certain = written.is_settled
        contribution = written.contribution
        try:
            if certain or (age_ms is not None and age_ms > DAY_MS):
                uncounted = written.uncounted if written.is_replicated else {}
                self._write(batch, found.rev, document, contribution, uncounted)
                return
            evaluators = self._register.evaluators({*generations_of(batch), *document.also})
            partly = contribution.document(document, evaluators)
            partly.open, partly.replaces, partly.also = (
                document.open,
                document.replaces,
                document.also,
            )
            if partly != document:
                make_room(self._register, partly.tallies)
                self._tallies.put(PREFIX + batch, partly, found.rev)
        except Conflict:  # its writer lives, or another exporter recovers it
            return

    def _written(self, batch: str, document: BatchDocument) -> "_Written":
        """Find what a batch wrote."""
        written = _Written()
        for month, ids in (document.open or {}).items():
            to_replace = document.replaces.get(month, {})
            database = self._months.database(month)
            try:
                written.is_replicated |= database.is_replicated
                for portion in cut(ids, PAGE):
                    self._find(written, batch, month, portion, to_replace)
            except NotFound:  # the month was not created yet, or was dropped
                written.is_settled = False
        return written

    def _find(
        self,
        written: "_Written",
        batch: str,
        month: Month,
        ids: Sequence[str],
        to_replace: Mapping[str, str],
    ) -> None:
        database = self._months.database(month)
        found = database.fetch(ids, Document, conflicts=True)
        rows = leaves_in_conflict(database, [each for each in found if each is not None])
        for id_, each in zip(ids, found, strict=True):
            if each is None:
                own: list[Change] = []
            elif id_ in rows:
                every = edges_of(rows[id_]).values()
                own = [edge.change for edge in every if edge.batch == batch]
            else:
                own = [*changes(row_id(id_, each.document), each.document, batch)]
            for change in own:
                written.contribution.take(month, change)
            if each is None or to_replace.get(id_) == each.rev:
                written.is_settled = False
            if not own:
                written.uncounted.setdefault(month, []).append(id_)

    def uncertain(self, batches: Iterable[str]) -> set[str]:
        """Return which of these batches may not be counted under all generations."""
        names = sorted(set(batches))
        if self._register.last.pending is not None:
            return set(names)
        found = self._tallies.fetch([PREFIX + batch for batch in names], BatchDocument)
        return {
            batch
            for batch, each in zip(names, found, strict=True)
            if each is not None and each.document.open is not None
        }

    def count_also(self, number: int) -> list[str]:
        """Add a generation to the open batches that do not know it; list them."""
        marked = []
        for row in self._views.rows("open"):
            batch = (row.id or "").removeprefix(PREFIX)
            if number in generations_of(batch):
                continue
            for _ in range(TRIES):
                found = self._tallies.get(PREFIX + batch, BatchDocument)
                if found is None or found.document.open is None:
                    break
                if number not in found.document.also:
                    found.document.also.append(number)
                    try:
                        self._tallies.put(PREFIX + batch, found.document, found.rev)
                    except Conflict:
                        continue
                marked.append(batch)
                break
        return marked


def leaves_in_conflict(
    database: Database, found: Iterable[Found[Document]]
) -> Mapping[str, list[RowLeaf]]:
    """Read all leaves of those documents that have several."""
    leaves = [
        (each.id, rev)
        for each in found
        if each.document.conflicts
        for rev in (each.rev, *each.document.conflicts)
    ]
    return by_id(database.leaves(leaves, Document))


def make_room(register: DefinitionsDocument, tallies: Mapping[str, Sequence[TileRow]]) -> None:
    """Announce slot tiles that were not used before."""
    used: set[int] = set().union(*map(slot_tiles, tallies.values()))
    if not used <= register.last.tiles_used:

        def widened(state: Generations) -> Generations:
            return msgspec.structs.replace(
                state, used_slot_tiles=tuple(sorted(used.union(state.used_slot_tiles)))
            )

        register.change(widened)
