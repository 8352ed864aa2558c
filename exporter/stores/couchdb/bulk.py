"""Bulk writes: documents CouchDB does not take are found and set apart, the rest is stored."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from exporter.stores.couchdb.documents import Entry
from exporter.stores.couchdb.names import Month, month_of
from exporter.stores.couchdb.server import Database
from exporter.stores.couchdb.transport import Refused

CHUNK_DOCUMENTS = 1_000
CHUNK_BYTES = 2 * 1024 * 1024
_TOO_LARGE = 413
_SPOILT = {400, _TOO_LARGE}  # one document spoils the request; nothing was stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What became of entries: each is in exactly one list."""

    stored: list[Entry] = field(default_factory=list)
    in_conflict: list[Entry] = field(default_factory=list)
    refused: list[tuple[Entry, str]] = field(default_factory=list)

    def take(self, other: "Answers") -> None:
        """Add what became of other entries."""
        self.stored.extend(other.stored)
        self.in_conflict.extend(other.in_conflict)
        self.refused.extend(other.refused)


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
    answers = Answers()
    if not entries:
        return answers
    write = database.write_revisions if with_revisions else database.write
    try:
        written = write([entry.document_id for entry in entries], bodies)
    except Refused as error:
        if error.status not in _SPOILT:
            raise
        if len(entries) == 1:
            answers.refused.append((entries[0], _why(error, len(entries[0].raw))))
            return answers
        half = len(entries) // 2
        for part in (slice(None, half), slice(half, None)):
            answers.take(post(database, entries[part], bodies[part], with_revisions=with_revisions))
        return answers
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
