"""From a response body to rows: KPIggybank's two dialects and their oddities end here."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import msgspec

from exporter.domain.identity import digest, usable_id
from exporter.domain.interaction import Row
from exporter.escape import escaped

PORTION_BYTES = 1024 * 1024  # decoded in one go, for some 5 ms, in which nothing else runs
LARGEST_ROW_BYTES = 64 * 1024 * 1024
_TAIL_BYTES = 256 * 1024  # where the last whole row's end is looked for
_ATTEMPTS = 3
_LARGEST_END_BYTES = 64 * 1024  # of an object, after the array in it
_BETWEEN_ROWS = re.compile(rb"\}\s*,(?=\s*\{)")
# A string without an end is a lone quotation mark here: what follows it is not yet known.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["\[\]{},]', re.DOTALL)
_ODD_ID = re.compile("[0-9a-f]{40}")
# For rows that are no JSON: where their id stands all the same.
_WRITTEN_LINE = re.compile(
    rb'\{\s*"id"\s*:\s*"([^"\\]+)"\s*,\s*"key"\s*:[^,]*,\s*"value"\s*:(.*)\}', re.DOTALL
)
_WRITTEN_ODDITY = re.compile(rb'"([0-9a-f]{40})"\s*:\s*"\1"')


# Of what is no array of rows: a tag, or a character, but nothing of an interaction.
_BEGINNING = re.compile(rb"<[!/]?\w*[ \w]{0,20}>?|.?", re.DOTALL)


class BrokenBody(Exception):
    """The body is no array of rows, or ends in the middle of one; whole rows came before."""


class _Line(msgspec.Struct, gc=False):
    """A row of the CouchDB backend; the memory backend serves bare blobs."""

    id: str
    value: msgspec.Raw


_decode_lines = msgspec.json.Decoder(list[_Line]).decode
_decode_line = msgspec.json.Decoder(_Line).decode
_decode_raws = msgspec.json.Decoder(list[msgspec.Raw]).decode
NOT_JSON = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


class RowReader(Protocol):
    """How rows are written in an array."""

    def rows(self, array: bytes) -> Sequence[Row]:
        """Read an array. Raises msgspec's errors, and others, where it is not JSON throughout."""

    def row(self, raw: bytes) -> Sequence[Row]:
        """Read one element, whatever it is; none where it is no row."""


class _Kpiggybank:
    """Both dialects of KPIggybank."""

    def rows(self, array: bytes) -> Sequence[Row]:
        return _rows(array)

    def row(self, raw: bytes) -> Sequence[Row]:
        return (read_row(raw),)


class Splitter:
    """Splits a body that arrives in pieces into rows, holding no more than a portion of it.

    A body that is not JSON throughout (NaN, 10,000 nested lists, a lone surrogate) is split
    by its brackets and commas, so that a bad row spoils itself alone.
    """

    def __init__(
        self,
        *,
        portion_bytes: int = PORTION_BYTES,
        largest_row_bytes: int = LARGEST_ROW_BYTES,
        reader: RowReader | None = None,
        in_object: bool = False,
    ) -> None:
        """Read rows as KPIggybank serves them, or by `reader`.

        `in_object`: the array is a value of an object, whose end may follow it.
        """
        self._reader = reader or _Kpiggybank()
        self._in_object = in_object
        self._portion_bytes = portion_bytes
        self._largest_row_bytes = largest_row_bytes
        self._enough_bytes = portion_bytes  # to look for rows again
        self._buffer = bytearray()  # from the array's beginning on, given rows left out
        self._started = False
        self._finished = False

    def feed(self, piece: bytes) -> Sequence[Row]:
        """Add a piece of the body; yield the rows that a full portion holds."""
        self._buffer += piece
        if self._finished and not self._in_object:
            self._expect_no_more()
        if self._finished:
            del self._buffer[_LARGEST_END_BYTES:]
            return ()
        if not self._started:
            self._begin()
        if len(self._buffer) < self._enough_bytes:
            return ()
        rows = self._whole_rows()
        if not rows and len(self._buffer) > self._largest_row_bytes:
            raise BrokenBody(f"a row is larger than {self._largest_row_bytes >> 20} MiB")
        # A row that is not whole yet is looked at each time it has doubled, not at each piece.
        self._enough_bytes = self._portion_bytes if rows else 2 * len(self._buffer)
        return rows

    def end(self) -> Sequence[Row]:
        """Return the rows that are left."""
        if not self._started or self._finished:
            return ()
        try:
            rows = self._reader.rows(bytes(self._buffer))
        except NOT_JSON:
            return self._rows_by_brackets()
        self._buffer.clear()
        self._finished = True
        return rows

    def close(self) -> None:
        """Raise `BrokenBody` unless the body was an array, the whole of it and nothing more."""
        if not self._started:
            raise BrokenBody("it is empty, an array of interactions was expected")
        if not self._finished:
            raise BrokenBody("it ends in the middle of the array")
        self._expect_no_more()

    def _expect_no_more(self) -> None:
        if self._in_object:
            if not self._buffer.rstrip().endswith(b"}"):
                raise BrokenBody("it ends after the array, in the middle of the object")
        elif self._buffer.strip():
            raise BrokenBody("it goes on after the array's end")
        self._buffer.clear()

    def _begin(self) -> None:
        self._buffer = self._buffer.lstrip()
        if not self._buffer:
            return
        if self._buffer[:1] != b"[":
            raise BrokenBody(
                f"it begins with {beginning(self._buffer)}, an array of interactions was expected"
            )
        self._started = True

    def _whole_rows(self) -> Sequence[Row]:
        """Remove whole rows from the buffer, leaving the rest of the array in it."""
        tail = max(0, len(self._buffer) - _TAIL_BYTES)
        ends = [found.start() for found in _BETWEEN_ROWS.finditer(self._buffer, tail)]
        for end in reversed(ends[-_ATTEMPTS:]):
            try:
                rows = self._reader.rows(bytes(self._buffer[: end + 1]) + b"]")
            except NOT_JSON:
                continue
            rest = self._buffer.index(b",", end) + 1
            self._buffer[:rest] = b"["
            return rows
        return self._rows_by_brackets()

    def _rows_by_brackets(self) -> Sequence[Row]:
        pieces: list[bytes] = []
        depth = 0
        start = 0
        for token in _TOKEN.finditer(self._buffer):
            match token.group():
                case b'"':
                    break
                case b"[" | b"{":
                    depth += 1
                    if depth == 1:
                        start = token.end()
                case b"]" | b"}":
                    depth -= 1
                    if depth == 0:
                        pieces.append(bytes(self._buffer[start : token.start()]))
                        start = token.end()
                        self._finished = True
                        break
                case b"," if depth == 1:
                    pieces.append(bytes(self._buffer[start : token.start()]))
                    start = token.end()
        self._buffer[:start] = b"" if self._finished else b"["
        found = (self._reader.row(piece) for piece in map(bytes.strip, pieces) if piece)
        return [row for rows in found for row in rows]


def beginning(body: bytes | bytearray) -> str:
    """Return what a log may show of a body that is no array of rows."""
    found = _BEGINNING.match(body.lstrip())
    return repr(escaped(found[0])) if found and found[0] else "nothing"


def _rows(array: bytes) -> Sequence[Row]:
    try:
        return [Row(usable_id(line.id), bytes(line.value)) for line in _decode_lines(array)]
    except msgspec.ValidationError:
        return [read_row(bytes(raw)) for raw in _decode_raws(array)]


def read_row(raw: bytes) -> Row:
    """Find a row's id: KPIggybank's, the memory backend's oddity, else a digest."""
    try:
        line = _decode_line(raw)
    except NOT_JSON:
        pass
    else:
        return Row(usable_id(line.id), bytes(line.value))
    try:
        blob = msgspec.json.decode(raw)
    except NOT_JSON:
        return _unreadable_row(raw)
    for id_ in _ids(blob):
        return Row(usable_id(id_), raw)
    return Row(digest(msgspec.json.encode(blob, order="sorted")), raw)


def _unreadable_row(raw: bytes) -> Row:
    if found := _WRITTEN_LINE.fullmatch(raw):
        return Row(_id_of(found[1]), found[2].strip())
    if found := _WRITTEN_ODDITY.search(raw):
        return Row(found[1].decode(), raw)
    return Row(digest(raw), raw)


def _id_of(written: bytes) -> str:
    """Return an id as it is written; two that are no text stay two."""
    try:
        return usable_id(written.decode())
    except UnicodeDecodeError:
        return digest(written)


def _ids(blob: Any) -> Iterator[str]:
    if isinstance(blob, dict):
        if isinstance(blob.get("_id"), str):
            yield blob["_id"]
        yield from (
            name for name, value in blob.items() if value == name and _ODD_ID.fullmatch(name)
        )
