"""Rejected rows, kept beside the tallies: one document each, the newest with content."""

import base64
import hashlib
from collections.abc import Collection, Iterable, Sequence

import msgspec
import zstandard

from exporter.domain.interaction import Reason, Rejected
from exporter.domain.portions import cut
from exporter.ports import RejectedRow
from exporter.stores.couchdb.design import Views
from exporter.stores.couchdb.months import Months
from exporter.stores.couchdb.names import decoded_id, document_id, encoded_id
from exporter.stores.couchdb.server import Database, Found
from exporter.stores.couchdb.transport import NotFound

KEPT = 10_000
PAGE = 500  # documents at a time, written with so many bytes or one more
MOST_BYTES = 4 * 1024 * 1024
FEW = 10  # documents read at a time with their content
PREFIX = "rejected:"
LARGEST_TEXT = 64 * 1024  # bytes; larger ones are compressed
LARGEST_BODY = 4 * 1024 * 1024  # bytes, compressed; CouchDB takes documents up to 8 MB
CUT = 1024 * 1024  # bytes that are kept of what is larger still


class _Rejection(msgspec.Struct, omit_defaults=True):
    """A rejected row: its content as `text`, or compressed (zstd, base64).

    `emptied`: its content was dropped, only the count remains.
    """

    row: str
    reason: Reason
    detail: str
    refused: int
    number: int
    text: str | None = None
    zstd: str | None = None
    emptied: bool = False
    collected: bool = False
    id: str = msgspec.field(name="_id", default="")
    rev: str = msgspec.field(name="_rev", default="")


class Rejections:
    """The rejected rows of a store; `kept` is of how many the content is."""

    def __init__(
        self, tallies: Database, months: Months, views: Views, *, kept: int = KEPT
    ) -> None:
        self._kept = kept
        self._tallies = tallies
        self._months = months
        self._views = views
        self._known: set[str] = set()
        self._known_at = 0

    def add(self, rows: Sequence[Rejected], now_ms: int, *, collected: bool = False) -> None:
        """Keep rows; a row never takes the place of what could be read before."""
        if not rows:
            return
        known = self._ids()
        new = {row.id: row for row in rows if _document_id(row.id) not in known}
        stored = self._stored(new.keys())
        kept = [row for row in new.values() if row.id not in stored]
        ids: list[str] = []
        bodies: list[bytes] = []
        size = 0
        for number, row in enumerate(kept, start=len(known)):
            document = _rejection(row, now_ms, number, collected=collected)
            ids.append(document.id)
            bodies.append(msgspec.json.encode(document))
            size += len(bodies[-1])
            if len(ids) == PAGE or size >= MOST_BYTES or number == len(known) + len(kept) - 1:
                self._tallies.write(ids, bodies)
                ids, bodies, size = [], [], 0
        if kept:
            self._empty_old()

    def forget(self, ids: Iterable[str]) -> None:
        """Delete rows, those that were rejected among them: they can be read now."""
        documents = set(map(_document_id, ids))
        if documents:
            for id_ in documents & self._ids():
                self._tallies.remove(id_)

    def newest(self, limit: int) -> list[RejectedRow]:
        """List the rows whose content is kept, the newest first."""
        ids = [row.id or "" for row in self._views.rows("rejected", descending=True, limit=limit)]
        rows: list[RejectedRow] = []
        for portion in cut(ids, FEW):
            found = self._tallies.fetch(portion, _Rejection)
            rows += [_row(each) for each in found if each is not None]
        return rows

    def _ids(self) -> set[str]:
        """Return the document ids of all rejected rows; read again when there are more or less."""
        if not self._tallies.identifiers(PREFIX, limit=1):  # as a rule, and cheaper than a view
            return set()
        rows = self._views.rows("held", startkey=["rejected"], endkey=["rejected", {}])
        count = rows[0].value[0] if rows else 0
        if count != self._known_at:
            self._known, self._known_at = set(self._tallies.identifiers(PREFIX)), count
        return self._known

    def _stored(self, ids: Collection[str]) -> set[str]:
        """Return which of these ids are interactions or ignored rows, in whatever month."""
        requested = list(ids)
        stored: set[str] = set()
        for month in self._months.stored() if requested else ():
            for portion in cut(requested, PAGE):
                try:
                    there = self._months.database(month).having([document_id(i) for i in portion])
                except NotFound:
                    break
                stored |= {id_ for id_, exists in zip(portion, there, strict=True) if exists}
        return stored

    def _empty_old(self) -> None:
        while True:
            rows = self._views.rows("rejected", descending=True, skip=self._kept, limit=PAGE)
            if not rows:
                return
            for portion in cut([row.id or "" for row in rows], FEW):
                self._empty(portion)

    def _empty(self, ids: Sequence[str]) -> None:
        """Drop the content of rows; their ids stay, so that they are accounted for."""
        emptied = []
        for each in self._tallies.fetch(ids, _Rejection):
            if each is not None:
                rejection = each.document
                rejection.text = rejection.zstd = None
                rejection.emptied, rejection.detail = True, ""
                emptied.append(rejection)
        self._tallies.write([e.id for e in emptied], map(msgspec.json.encode, emptied))


def _document_id(id_: str) -> str:
    return PREFIX + hashlib.sha256(id_.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def _rejection(row: Rejected, now_ms: int, number: int, *, collected: bool) -> _Rejection:
    rejection = _Rejection(
        id=_document_id(row.id),
        row=encoded_id(row.id),
        reason=row.reason,
        detail=row.detail.encode(errors="replace").decode(),
        refused=now_ms,
        number=number,
        collected=collected,
    )
    if len(row.raw) <= LARGEST_TEXT:
        try:
            rejection.text = row.raw.decode()
        except UnicodeDecodeError:
            pass
        else:
            return rejection
    compressed = zstandard.compress(row.raw)
    if len(compressed) > LARGEST_BODY:
        compressed = zstandard.compress(row.raw[:CUT])
        rejection.detail += f" (the first {CUT:,} of {len(row.raw):,} bytes are kept)"
    rejection.zstd = base64.b64encode(compressed).decode()
    return rejection


def _row(found: Found[_Rejection]) -> RejectedRow:
    rejection = found.document
    if rejection.zstd is not None:
        raw = zstandard.decompress(base64.b64decode(rejection.zstd))
    else:
        raw = (rejection.text or "").encode()
    return RejectedRow(
        id=decoded_id(rejection.row),
        raw=raw,
        reason=rejection.reason,
        detail=rejection.detail,
        refused_ms=rejection.refused,
        collected=rejection.collected,
    )
