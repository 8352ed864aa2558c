"""The look for conflicts: at what was written since the last one, and only at that."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import structlog

from exporter.stores.couchdb.batches import PREFIX as BATCH
from exporter.stores.couchdb.batches import BatchDocument
from exporter.stores.couchdb.conflicts import Conflicts
from exporter.stores.couchdb.generations import DOCUMENT as DEFINITIONS
from exporter.stores.couchdb.generations import DefinitionsDocument, Generations, merged_generations
from exporter.stores.couchdb.months import DOCUMENT as MONTHS
from exporter.stores.couchdb.months import Months, MonthsDocument, merged_months
from exporter.stores.couchdb.names import TALLIES, Month
from exporter.stores.couchdb.rebuild import PREFIX as REBUILD
from exporter.stores.couchdb.rebuild import number_of
from exporter.stores.couchdb.server import Database, Leaf, tombstone
from exporter.stores.couchdb.transport import Conflict, NotFound

PLACES = "_local/looked-at"
ROWS = 5_000  # changes read at a time
MOST_ROWS = 200_000  # of one database at one look; the next goes on


class _Places(msgspec.Struct):
    """Up to where each database was looked at; what is forgotten is looked at again."""

    places: dict[str, str] = {}


class Look:
    """Settles whatever several nodes accepted of the same document."""

    def __init__(
        self, tallies: Database, months: Months, conflicts: Conflicts, register: DefinitionsDocument
    ) -> None:
        self._tallies = tallies
        self._months = months
        self._conflicts = conflicts
        self._register = register

    def run(self) -> None:
        """Check what was written since the last check."""
        if not self._tallies.is_replicated:
            return
        self._register.read()
        found = self._tallies.get(PLACES, _Places)
        places = dict(found.document.places) if found else {}
        self._follow(places, TALLIES, self._tallies, self._settle_documents)
        for month in self._months.stored():
            database = self._months.database(month)

            def settle(rows: Mapping[str, list[str]], month: Month = month) -> bool:
                return self._conflicts.settle(month, rows)

            try:
                self._follow(places, month, database, settle)
            except NotFound:  # dropped meanwhile, or created just now
                continue
        if found is None or places != found.document.places:
            try:
                self._tallies.put(PLACES, _Places(places), found.rev if found else "")
            except Conflict:  # another exporter looks as well
                return

    def _follow(
        self,
        places: dict[str, str],
        name: str,
        database: Database,
        settle: Callable[[Mapping[str, list[str]]], bool],
    ) -> None:
        """Resolve what has several leaves; the place moves on as long as all is settled."""
        at = places.get(name, "0")
        keeps = False
        for _ in range(MOST_ROWS // ROWS):
            touched, at, pending = database.changes(at, ROWS)
            several = {row.id: [*row.revs] for row in touched if len(row.revs) > 1}
            if several and not settle(several):
                keeps = True
            if not keeps:
                places[name] = at
            if len(touched) < ROWS and not pending:
                return

    # Documents beside the tallies

    def _settle_documents(self, several: Mapping[str, list[str]]) -> bool:
        settled = True
        for id_, revs in several.items():
            leaves = self._tallies.leaves([(id_, rev) for rev in revs], dict)
            live = [leaf for leaf in leaves if leaf.document is not None]
            if id_.startswith(REBUILD) and len(live) > 1:
                self._begin_anew(id_)
            if id_.startswith(BATCH) and live:
                settled &= self._settle_batch(id_, live)
            elif len(live) > 1:
                self._settle_document(id_, live)
        return settled

    def _begin_anew(self, id_: str) -> None:
        """Start a rebuild again: on two sides it came to different places, or found other rows.

        An earlier one does not matter, since the newest takes its place.
        """
        if number_of(id_) == self._register.last.counted[-1]:
            structlog.get_logger().warning(
                "two exporters rebuilt the tallies apart from each other; rebuilding them anew"
            )
            self._register.rebuild_anew()

    def _settle_batch(self, id_: str, live: list[Leaf[dict[str, Any]]]) -> bool:
        """Keep one closing of a batch: any before none, and the one that left most out.

        What it left out is counted by itself, so that nothing is counted by both.
        """
        kept = max(live, key=_closing)
        document = msgspec.convert(kept.document, BatchDocument)
        self._delete(id_, live, kept)
        if document.open is not None or not document.uncounted:
            return True
        return self._conflicts.count_what_was_left_out(id_.removeprefix(BATCH), document)

    def _settle_document(self, id_: str, live: list[Leaf[dict[str, Any]]]) -> None:
        """Keep one: of what is a list or a state, all that the leaves know; else what is shown."""
        shown = self._tallies.get(id_, dict)
        if shown is None:
            return
        kept = next((leaf for leaf in live if leaf.rev == shown.rev), None)
        if kept is None:  # a node that lags; next time
            return
        merged: object = None
        documents = [leaf.document for leaf in live]
        if id_ == MONTHS:
            merged = merged_months(msgspec.convert(documents, list[MonthsDocument]))
        elif id_ == DEFINITIONS:
            merged = merged_generations(msgspec.convert(documents, list[Generations]))
        if merged is not None:
            try:
                self._tallies.put(id_, merged, shown.rev)
            except Conflict:  # changed meanwhile; next time
                return
        self._delete(id_, live, kept)

    def _delete(
        self, id_: str, live: list[Leaf[dict[str, Any]]], kept: Leaf[dict[str, Any]]
    ) -> None:
        for leaf in live:
            if leaf.rev != kept.rev:
                self._tallies.write([id_], [tombstone(id_, leaf.rev)])


def _closing(leaf: Leaf[dict[str, Any]]) -> tuple[bool, int, tuple[str, ...]]:
    document = msgspec.convert(leaf.document, BatchDocument)
    left_out = sum(map(len, document.uncounted.values()))
    return document.open is None, left_out, leaf.path
