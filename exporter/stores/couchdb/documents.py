"""Documents of interactions: the blob under one key, beside its timestamp and its batch.

An ignored row has a document without a blob. A document that took the place of another
content keeps what it replaced in `before`, oldest first, as long as a batch may still have to
be counted by it: what belongs to a batch is decided by the documents alone.
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from exporter.domain.interaction import StoredInteraction
from exporter.stores.couchdb.names import decoded_id, encoded_id
from exporter.stores.json_equal import same_meaning

STAMP_DIGITS = 11  # of a batch's name: when it was opened, ms, hexadecimal
_encode = msgspec.json.Encoder().encode


class Version(msgspec.Struct, omit_defaults=True):
    """One content that a row had: `at` is its timestamp (ms), `batch` brought it.

    Without a blob the row was ignored.
    """

    batch: str = ""
    at: int | None = None
    blob: msgspec.Raw = msgspec.Raw()

    @property
    def raw(self) -> bytes:
        """The blob's JSON; empty if the row was ignored."""
        return bytes(self.blob)


class Document(Version, omit_defaults=True):
    """A row as CouchDB holds it; `row` is its id where it is not the document's."""

    row: str | None = None
    before: list[Version] = []
    conflicts: list[str] = msgspec.field(name="_conflicts", default=[])

    def versions(self) -> Sequence[Version]:
        """Return all contents that are known of, the oldest first, the present one last."""
        return (*self.before, self)


class Entry(NamedTuple):
    """A row on its way in, with its document's id; without `raw` it is an ignored one."""

    id: str
    document_id: str
    timestamp_ms: int | None
    raw: bytes


class Change(NamedTuple):
    """What a batch did to one row: from a content (none: the row is new) to another."""

    id: str
    before: Version | None
    after: Version

    @property
    def is_counted(self) -> bool:
        """Whether an interaction is concerned, and not an ignored row alone."""
        return bool(self.after.raw or (self.before and self.before.raw))


def encoded(entry: Entry, batch: str, *, rev: str = "", before: Sequence[Version] = ()) -> bytes:
    """Write an entry's document, the blob as it came; `rev` is the revision it replaces."""
    head = b'{"_id":' + _encode(entry.document_id)
    if rev:
        head += b',"_rev":' + _encode(rev)
    return head + _tail(entry, batch, before)


def encoded_with_revision(
    entry: Entry, batch: str, *, path: Sequence[str] = (), before: Sequence[Version] = ()
) -> bytes:
    """Write a document as `encoded` does, for `Database.write_revisions`.

    The same content has the same revision. `path`: all revisions before it, from the first: a
    node that has not heard of some would else take it for another branch.
    """
    head = b'{"_id":' + _encode(entry.document_id)
    tail = _tail(entry, batch, before)
    own = hashlib.md5(head + tail, usedforsecurity=False).hexdigest()
    ids = [own, *(rev.partition("-")[2] for rev in reversed(path))]
    generation = int(path[-1].partition("-")[0]) if path else 0
    revisions = {"start": generation + 1, "ids": ids}
    return head + b',"_revisions":' + _encode(revisions) + tail


def _tail(entry: Entry, batch: str, before: Sequence[Version]) -> bytes:
    id_ = entry.document_id
    parts: list[bytes] = []
    if id_ != entry.id:
        parts += (b',"row":', _encode(encoded_id(entry.id)))
    if entry.timestamp_ms is not None:
        parts.append(b',"at":%d' % entry.timestamp_ms)
    parts += (b',"batch":', _encode(batch))
    if before:
        bare = [Version(batch=v.batch, at=v.at, blob=v.blob) for v in before]
        parts += (b',"before":', _encode(bare))
    parts.append(b',"blob":%b}' % entry.raw if entry.raw else b',"ignored":true}')
    return b"".join(parts)


def version(entry: Entry, batch: str) -> Version:
    """Return the version that an entry becomes."""
    return Version(batch=batch, at=entry.timestamp_ms, blob=msgspec.Raw(entry.raw))


def row_id(id_: str, document: Document) -> str:
    """Return the id of the row that a document holds."""
    return id_ if document.row is None else decoded_id(document.row)


def changes(id_: str, document: Document, batch: str) -> Iterator[Change]:
    """Return what a batch did to a row, as its document tells."""
    before: Version | None = None
    for version in document.versions():
        if version.batch == batch:
            yield Change(id_, before, version)
        before = version


def stored(id_: str, version: Version | None) -> list[StoredInteraction]:
    """Return the interaction that a version is; nothing for an ignored row."""
    if version is None or not version.raw:
        return []
    return [StoredInteraction(id_, version.at or 0, version.raw, _opened_ms(version.batch))]


def _opened_ms(batch: str) -> int | None:
    """Return the time at the front of a batch's name; None without a batch."""
    return int(batch[:STAMP_DIGITS], 16) if batch else None


def same_content(one: Version, other: Entry) -> bool:
    """Return whether a row is held with this content already."""
    if one.at != other.timestamp_ms:
        return False
    if not (one.raw and other.raw):
        return not one.raw and not other.raw
    return same_meaning(one.raw, other.raw)
