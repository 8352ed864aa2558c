"""Bulk writes: documents CouchDB does not take are found and set apart, the rest is stored."""

from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import NamedTuple

from exporter.stores.couchdb.documents import Entry
from exporter.stores.couchdb.names import Month, month_of
from exporter.stores.couchdb.server import Database
from exporter.stores.couchdb.transport import Refused

CHUNK_DOCUMENTS = 1_000
CHUNK_BYTES = 2 * 1024 * 1024
_TOO_LARGE = 413
_SPOILT = {400, _TOO_LARGE}  # one document spoils the request; nothing was stored


class Answers(NamedTuple):
    """What became of entries: each is in exactly one list."""

    stored: list[Entry]
    in_conflict: list[Entry]
    refused: list[tuple[Entry, str]]

    def plus(self, other: "Answers") -> "Answers":
        """Return what became of the entries of both."""
        return Answers(
            self.stored + other.stored,
            self.in_conflict + other.in_conflict,
            self.refused + other.refused,
        )


def post(
    database: Database,
    entries: Sequence[Entry],
    bodies: Sequence[bytes],
    *,
    with_revisions: bool = False,
) -> Answers:
    """Write the documents of entries; a request that CouchDB refuses whole is cut in halves.

    `with_revisions`: they name their own, and are stored beside whatever is there.
    """
    if not entries:
        return Answers([], [], [])
    write = database.write_revisions if with_revisions else database.write
    try:
        written = write([entry.document_id for entry in entries], bodies)
    except Refused as error:
        if error.status not in _SPOILT:
            raise
        if len(entries) == 1:
            return Answers([], [], [(entries[0], _why(error, len(entries[0].raw)))])
        half = len(entries) // 2
        halves = [slice(None, half), slice(half, None)]
        first, second = (
            post(database, entries[part], bodies[part], with_revisions=with_revisions)
            for part in halves
        )
        return first.plus(second)
    answers = Answers([], [], [])
    for entry, result in zip(entries, written, strict=True):
        if result.refused is not None:
            answers.refused.append((entry, result.refused))
        elif result.conflict:
            answers.in_conflict.append(entry)
        else:
            answers.stored.append(entry)
    return answers


def _why(error: Refused, size: int) -> str:
    """Return why a row was refused: of one that is too large CouchDB says nothing but its id."""
    if error.status == _TOO_LARGE:
        return f"its {size:,} bytes are too many for a document ([couchdb] max_document_size)"
    return error.reason or error.error


def by_month(entries: Iterable[Entry]) -> dict[Month, list[Entry]]:
    """Sort entries by month, and in it by document id: CouchDB writes ids in order faster."""
    months: dict[Month, list[Entry]] = {}
    for entry in entries:
        months.setdefault(month_of(entry.timestamp_ms), []).append(entry)
    for of_month in months.values():
        of_month.sort(key=attrgetter("document_id"))
    return months


def chunks(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """Split entries into requests of a good size."""
    chunk: list[Entry] = []
    size = 0
    for entry in entries:
        if chunk and (len(chunk) == CHUNK_DOCUMENTS or size + len(entry.raw) > CHUNK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(entry)
        size += len(entry.raw)
    if chunk:
        yield chunk
