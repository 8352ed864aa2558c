"""From a response body to rows: KPIggybank's two dialects and their oddities end here."""

import re
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Any

import msgspec

from exporter.domain.interaction import Row

PORTION_BYTES = 4 * 1024 * 1024
LARGEST_ROW_BYTES = 64 * 1024 * 1024
_TAIL_BYTES = 256 * 1024  # where the last whole row's end is looked for
_ATTEMPTS = 3
_BETWEEN_ROWS = re.compile(rb"\}\s*,(?=\s*\{)")
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{},]', re.DOTALL)
_ODD_ID = re.compile("[0-9a-f]{40}")


class BrokenBody(Exception):
    """The body is no array of rows, or ends in the middle of one; whole rows came before."""


class _Line(msgspec.Struct, gc=False):
    """A row of the CouchDB backend; the memory backend serves bare blobs."""

    id: str
    value: msgspec.Raw


_decode_lines = msgspec.json.Decoder(list[_Line]).decode
_decode_line = msgspec.json.Decoder(_Line).decode
_decode_raws = msgspec.json.Decoder(list[msgspec.Raw]).decode
_NOT_JSON = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


class Splitter:
    """Splits a body that arrives in pieces into rows, holding no more than a portion of it.

    A body that is not JSON throughout (NaN, 10,000 nested lists, a lone surrogate) is split
    by its brackets and commas, so that a bad row spoils itself alone.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._begun = False
        self._ended = False

    def feed(self, piece: bytes) -> Sequence[Row]:
        """Take a piece of the body; give the rows that a full portion holds."""
        self._buffer += piece
        if not self._begun:
            self._begin()
        if len(self._buffer) < PORTION_BYTES or self._ended:
            return ()
        rows = self._whole_rows()
        if not rows and len(self._buffer) > LARGEST_ROW_BYTES:
            raise BrokenBody(f"a row is larger than {LARGEST_ROW_BYTES >> 20} MiB")
        return rows

    def _begin(self) -> None:
        start = self._buffer.lstrip()
        if not start:
            return
        if start[:1] != b"[":
            excerpt = bytes(start[:60]).decode("utf-8", "replace")
            raise BrokenBody(f"it begins with {excerpt!r}, an array of interactions was expected")
        self._begun = True

    def _whole_rows(self) -> Sequence[Row]:
        """Take whole rows off the buffer, leaving the rest of the array in it."""
        tail = max(0, len(self._buffer) - _TAIL_BYTES)
        ends = [found.start() for found in _BETWEEN_ROWS.finditer(self._buffer, tail)]
        for end in reversed(ends[-_ATTEMPTS:]):
            try:
                rows = _rows(bytes(self._buffer[: end + 1]) + b"]")
            except _NOT_JSON:
                continue
            rest = self._buffer.index(b",", end) + 1
            self._buffer[:rest] = b"["
            return rows
        return self._rows_by_brackets()

    def end(self) -> Sequence[Row]:
        """Give the rows that are left. Raises `BrokenBody`, after `partial` rows were given."""
        if not self._begun:
            raise BrokenBody("it is empty, an array of interactions was expected")
        try:
            rows = _rows(bytes(self._buffer))
        except _NOT_JSON:
            return self._rows_by_brackets()
        self._ended = True
        return rows

    def check_ended(self) -> None:
        """Raise `BrokenBody` if the body ended before its array did."""
        if not self._ended:
            raise BrokenBody("it ends in the middle of the array")

    def _rows_by_brackets(self) -> Sequence[Row]:
        pieces: list[bytes] = []
        depth = 0
        start = 0
        for token in _TOKEN.finditer(self._buffer):
            match token.group():
                case b"[" | b"{":
                    depth += 1
                    if depth == 1:
                        start = token.end()
                case b"]" | b"}":
                    depth -= 1
                    if depth == 0:
                        pieces.append(bytes(self._buffer[start : token.start()]))
                        self._ended = True
                        break
                case b"," if depth == 1:
                    pieces.append(bytes(self._buffer[start : token.start()]))
                    start = token.end()
        self._buffer[:start] = b"["
        return [_row(piece) for piece in map(bytes.strip, pieces) if piece]


def _rows(array: bytes) -> Sequence[Row]:
    try:
        return [Row(line.id, bytes(line.value)) for line in _decode_lines(array)]
    except msgspec.ValidationError:
        return [_row(bytes(raw)) for raw in _decode_raws(array)]


def _row(raw: bytes) -> Row:
    """Find a row's id: KPIggybank's, the memory backend's oddity, else a digest."""
    try:
        line = _decode_line(raw)
    except _NOT_JSON:
        pass
    else:
        return Row(line.id, bytes(line.value))
    try:
        blob = msgspec.json.decode(raw)
    except _NOT_JSON:
        return Row(_digest(raw), raw)
    for id_ in _ids(blob):
        return Row(id_, raw)
    return Row(_digest(msgspec.json.encode(blob, order="sorted")), raw)


def _ids(blob: Any) -> Iterator[str]:
    if isinstance(blob, dict):
        if isinstance(blob.get("_id"), str):
            yield blob["_id"]
        yield from (
            name for name, value in blob.items() if value == name and _ODD_ID.fullmatch(name)
        )


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=20).hexdigest()
