"""Rows of which a cluster accepted several revisions: one stays, and one is counted.

Every revision of a row is counted by the batch that it names. Here what has to go is taken back:
for each revision that is not on the way to the leaf that stays (`revisions.to_stay`) there is one
document `lost:…` with its counts, negated. For each that its batch left out (`uncounted`) there is
one `late:…` with its counts. Both have ids made of the row and the revision, and contents that
follow from the revision alone, so that all who write them write the same revision of the same
document: in a torn cluster, too, it is there once. Then the losing leaves are deleted. A
process that is killed in between leaves the conflict, and the next look does the same again.

The argument is in docs/explanation/counted-once.md.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec
import structlog

from exporter.domain.portions import cut
from exporter.stores.couchdb.batches import PREFIX as BATCH
from exporter.stores.couchdb.batches import (
    BatchDocument,
    Contribution,
    generations_of,
    make_room,
)
from exporter.stores.couchdb.documents import Document
from exporter.stores.couchdb.generations import DefinitionsDocument
from exporter.stores.couchdb.months import Months
from exporter.stores.couchdb.names import Month
from exporter.stores.couchdb.revisions import Edge, RowLeaf, by_id, edges_of, lost
from exporter.stores.couchdb.server import Database, tombstone
from exporter.stores.couchdb.tiles import TileRow, negated

ROWS_AT_ONCE = 200  # of which all leaves are read
LOST, LATE = "lost:", "late:"


class Correction(msgspec.Struct, omit_defaults=True):
    """Counts of one revision of a row, added or taken back."""

    batch: str
    collected: bool = False
    held: dict[Month, list[int]] = {}
    tallies: dict[str, list[TileRow]] = {}

    def negated(self) -> "Correction":
        """Return the opposite."""
        return Correction(
            batch=self.batch,
            collected=self.collected,
            held={month: [-n for n in kinds] for month, kinds in self.held.items()},
            tallies={number: negated(rows) for number, rows in self.tallies.items()},
        )


class Conflicts:
    """Finds rows with several leaves among what was written, and settles them."""

    def __init__(self, tallies: Database, months: Months, register: DefinitionsDocument) -> None:
        self._tallies = tallies
        self._months = months
        self._register = register

    def settle(self, month: Month, revisions: Mapping[str, Sequence[str]]) -> bool:
        """Resolve rows of which these revisions are leaves; return whether all could be.

        Those of a batch that is still open are left for a later look.
        """
        settled = True
        database = self._months.database(month)
        for portion in cut(revisions, ROWS_AT_ONCE):
            pairs = [(id_, rev) for id_ in portion for rev in revisions[id_]]
            settled &= self._settle(month, database, by_id(database.leaves(pairs, Document)))
        return settled

    def settle_ids(self, month: Month, ids: Collection[str]) -> bool:
        """Resolve rows whatever their leaves are."""
        settled = True
        database = self._months.database(month)
        for portion in cut(ids, ROWS_AT_ONCE):
            found = [
                each
                for each in database.fetch(portion, Document, conflicts=True)
                if each is not None
            ]
            revisions = {each.id: (each.rev, *each.document.conflicts) for each in found}
            settled &= self.settle(month, revisions)
        return settled

    def _settle(self, month: Month, database: Database, rows: Mapping[str, list[RowLeaf]]) -> bool:
        known = {id_: edges_of(leaves) for id_, leaves in rows.items()}
        batches = self._batches(edge.batch for edges in known.values() for edge in edges.values())
        corrections: dict[str, Correction] = {}
        losing: list[tuple[str, str]] = []
        unknown: list[str] = []
        settled = True
        for id_, leaves in rows.items():
            edges = known[id_]
            involved = [batches.get(edge.batch) for edge in edges.values()]
            if any(batch is None or batch.open is not None for batch in involved):
                settled = False
                continue
            corrections |= self._late(month, id_, edges, batches)
            losers, revisions = lost(leaves)
            for rev in revisions:
                if rev in edges:
                    id_of_correction = f"{LOST}{month}:{id_}:{rev}"
                    counted = self._counted(month, edges[rev], batches)
                    corrections[id_of_correction] = counted.negated()
                else:
                    unknown.append(id_)
            losing += [(id_, leaf.rev) for leaf in losers]
        self._write(corrections)
        if unknown:
            structlog.get_logger().warning(
                "what revisions counted that were given up is not known; rebuilding the tallies",
                documents=len(unknown),
                database=database.url,
            )
            self._register.rebuild_anew()
        _delete(database, losing)
        return settled

    def _late(
        self,
        month: Month,
        id_: str,
        edges: Mapping[str, Edge],
        batches: Mapping[str, BatchDocument],
    ) -> dict[str, Correction]:
        return {
            f"{LATE}{month}:{id_}:{rev}": self._counted(month, edge, batches)
            for rev, edge in edges.items()
            if batches[edge.batch].leaves_out(month, id_)
        }

    def _counted(
        self, month: Month, edge: Edge, batches: Mapping[str, BatchDocument]
    ) -> Correction:
        """Return what the batch of a revision counts for it, or would have."""
        contribution = Contribution()
        contribution.take(month, edge.change)
        batch = batches[edge.batch]
        numbers = sorted({*generations_of(edge.batch), *batch.also})
        counts = contribution.document(batch, self._register.evaluators(numbers))
        return Correction(
            batch=edge.batch,
            collected=batch.collected,
            held=counts.held,
            tallies=counts.tallies,
        )

    def _batches(self, requested: Iterable[str]) -> dict[str, BatchDocument]:
        """Read batches, open and closed ones; which is not there has not come here yet."""
        names = sorted(set(requested))
        ids = [BATCH + name for name in names]
        found = self._tallies.fetch(ids, BatchDocument) if ids else []
        return {
            name: each.document for name, each in zip(names, found, strict=True) if each is not None
        }

    def count_what_was_left_out(self, batch: str, document: BatchDocument) -> bool:
        """Count by itself whatever there is of rows that a batch was closed without.

        Called when another closing of the batch, by which they counted, was given up.
        """
        settled = True
        for month, ids in document.uncounted.items():
            settled &= self.settle_ids(month, ids)
            late = {}
            for id_ in ids:
                for each in self._tallies.identifiers(f"{LOST}{month}:{id_}:"):
                    found = self._tallies.get(each, Correction)
                    if found is not None and found.document.batch == batch:
                        late[LATE + each.removeprefix(LOST)] = found.document.negated()
            self._write(late)
        return settled

    def _write(self, corrections: Mapping[str, Correction]) -> None:
        for portion in cut(corrections, ROWS_AT_ONCE):
            for id_ in portion:
                make_room(self._register, corrections[id_].tallies)
            encode = msgspec.json.encode
            bodies = [
                b'{"_id":%b,%b'  # and the correction's own members
                % (encode(id_), encode(corrections[id_], order="sorted")[1:])
                for id_ in portion
            ]
            self._tallies.write(portion, bodies)  # one that is there already is the same


def _delete(database: Database, leaves: Sequence[tuple[str, str]]) -> None:
    for portion in cut(leaves, ROWS_AT_ONCE):
        rounds: dict[str, list[str]] = {}
        for id_, rev in portion:
            rounds.setdefault(id_, []).append(rev)
        while rounds:  # one request has each id once
            bodies = {id_: tombstone(id_, revs.pop()) for id_, revs in rounds.items()}
            database.write([*bodies], bodies.values())
            rounds = {id_: revs for id_, revs in rounds.items() if revs}
