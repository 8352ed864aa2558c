"""Upkeep of the tallies: corrections, and the end of what is no longer read."""

from collections.abc import Callable
from secrets import token_hex
from typing import Any

import msgspec

from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.interaction import Hour
from exporter.domain.tally import Tally
from exporter.stores.couchdb.batches import make_room
from exporter.stores.couchdb.design import Views
from exporter.stores.couchdb.generations import DefinitionsDocument, Generations
from exporter.stores.couchdb.rebuild import PREFIX as REBUILD
from exporter.stores.couchdb.rebuild import number_of
from exporter.stores.couchdb.server import Database, tombstone
from exporter.stores.couchdb.tiles import day_of, encoded

PAGE = 200  # documents rewritten at a time


class Cleanup:
    """Rewrites documents that hold tallies."""

    def __init__(self, tallies: Database, register: DefinitionsDocument, views: Views) -> None:
        self._tallies = tallies
        self._register = register
        self._views = views

    def correct(self, number: int, evaluator: Evaluator, difference: Tally) -> None:
        """Add a difference to the tallies of a generation."""
        rows = encoded(difference, evaluator.layout)
        if rows:
            tallies = {str(number): rows}
            make_room(self._register, tallies)
            self._tallies.put(f"repair:{token_hex(8)}", {"tallies": tallies})

    def drop_hours(self, state: Generations, cutoff: Hour) -> None:
        """Drop the rows of all hours before the cutoff."""

        def kept(document: dict[str, Any]) -> None:
            for number, rows in document["tallies"].items():
                document["tallies"][number] = [row for row in rows if row[0] >= cutoff]

        for number in state.counted:
            self._rewrite(
                kept,
                startkey=[number, 0, 0],
                endkey=[number, 0, 0, day_of(cutoff), cutoff],
            )

    def drop_generations(self, state: Generations) -> None:
        """Drop the tallies of generations that are neither active nor pending."""
        present = self._views.rows("tallies", group_level=1)
        for row in present:
            number = row.key[0]
            if number in state.counted:
                continue

            def kept(document: dict[str, Any], dead: str = str(number)) -> None:
                document["tallies"].pop(dead, None)

            self._rewrite(kept, startkey=[number], endkey=[number, {}])
        for id_ in self._tallies.identifiers(REBUILD):
            if number_of(id_) not in state.counted:
                self._tallies.remove(id_)

    def _rewrite(self, change: Callable[[dict[str, Any]], None], **span: object) -> None:
        """Rewrite all documents with rows in a span of the view, so that they have none there."""
        while True:
            rows = self._views.rows(
                "tallies", reduce=False, limit=PAGE, inclusive_end=False, **span
            )
            ids = sorted({row.id for row in rows if row.id is not None})
            if not ids:
                return
            bodies = []
            for found in self._tallies.fetch(ids, dict):
                if found is not None:
                    document: dict[str, Any] = found.document
                    change(document)
                    bodies.append((found.id, _emptied(document)))
            self._tallies.write([id_ for id_, _ in bodies], [body for _, body in bodies])


def _emptied(document: dict[str, Any]) -> bytes:
    """Write a document anew; delete it if nothing is left in it."""
    document["tallies"] = {number: rows for number, rows in document["tallies"].items() if rows}
    if document.keys() <= {"_id", "_rev", "tallies"} and not document["tallies"]:
        return tombstone(document["_id"], document["_rev"])
    return msgspec.json.encode(document)
