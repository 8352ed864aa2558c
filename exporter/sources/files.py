"""Files of interactions: JSON lines, arrays, answers of CouchDB; compressed or not, by content."""

import gzip
import os
import re
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import IO, cast

import msgspec
import zstandard
from typing_extensions import override

from exporter.domain.identity import usable_id
from exporter.domain.interaction import Row
from exporter.ports import RowFile, SourceError
from exporter.sources.rows import NOT_JSON, PORTION_BYTES, BrokenBody, Splitter, read_row

STANDARD_INPUT = "-"
PIECE_BYTES = 256 * 1024
COMPRESSED_BYTES = 16 * 1024  # read at a time: they may become a hundred times as many
LARGEST_LINE_BYTES = 64 * 1024 * 1024
_HEAD_BYTES = 64 * 1024  # in which it has to show what a file is
_GZIP, _ZSTD, _BYTE_ORDER_MARK = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xef\xbb\xbf"
# Where the rows of a view or of `_all_docs`, or the results of `_changes` begin.
_COUCHDB = re.compile(
    rb'\{\s*(?:"(?:total_rows|offset|update_seq|last_seq|pending)"\s*:\s*[^,\[]*,\s*)*'
    rb'"(?:rows|results)"\s*:\s*(?=\[)'
)
_REVISION_ALONE = re.compile(rb'\{\s*"rev"\s*:\s*"[^"]*"\s*\}')
_EXPECTED = "expected JSON lines, an array of interactions or an answer of CouchDB"


class InteractionFile(RowFile):
    """A file, or standard input, of interactions."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._reader = _Reader()
        self._size = 0
        self._position: Callable[[], int] = lambda: 0

    @property
    @override
    def skipped(self) -> int:
        return self._reader.skipped

    @property
    @override
    def done(self) -> float | None:
        return min(1.0, self._position() / self._size) if self._size else None

    @override
    def portions(self) -> Iterator[Sequence[Row]]:
        try:
            with self._opened() as pieces:
                yield from _portions(pieces, self._reader)
                self._position = lambda: self._size
        except BrokenBody as error:
            raise SourceError(f"{self._name}: {error}; what came before is imported") from error
        except OSError as error:
            raise SourceError(f"{self._name} cannot be read: {error.strerror or error}") from error
        except (EOFError, zlib.error, zstandard.ZstdError) as error:
            raise SourceError(f"{self._name}: its compression is damaged: {error}") from error

    @contextmanager
    def _opened(self) -> Iterator[Iterator[bytes]]:
        if self._name == STANDARD_INPUT:
            yield _decompressed(sys.stdin.buffer)
            return
        with Path(self._name).open("rb") as file:
            self._size = os.fstat(file.fileno()).st_size
            self._position = file.tell
            yield _decompressed(file)
            self._position = lambda: self._size


def _decompressed(file: IO[bytes]) -> Iterator[bytes]:
    beginning = cast(BufferedReader, file).peek(4)
    if beginning.startswith(_ZSTD):
        return _frames(file)
    if beginning.startswith(_GZIP):
        file = cast("IO[bytes]", gzip.GzipFile(fileobj=file))
    return iter(lambda: file.read(PIECE_BYTES), b"")


def _frames(file: IO[bytes]) -> Iterator[bytes]:
    """Decompress zstd's frames. Raises `EOFError` in the middle of one, unlike its own reader."""
    frame = zstandard.ZstdDecompressor().decompressobj()
    fed = False  # whether the frame has begun
    while piece := file.read(COMPRESSED_BYTES):
        while piece:
            yield frame.decompress(piece)
            fed, piece = not frame.eof, frame.unused_data if frame.eof else b""
            if frame.eof:
                frame = zstandard.ZstdDecompressor().decompressobj()
    if fed:
        raise EOFError("it ends in the middle of a zstd frame")


def _portions(pieces: Iterator[bytes], reader: "_Reader") -> Iterator[Sequence[Row]]:
    """Split what a file holds into rows, by what it begins with."""
    head = b""
    for piece in pieces:
        head = (head + piece).removeprefix(_BYTE_ORDER_MARK).lstrip()
        if len(head) >= _HEAD_BYTES:
            break
    if not head:
        raise BrokenBody(f"it is empty, {_EXPECTED}")
    if found := _COUCHDB.match(head):
        reader.of_couchdb = True
        yield from _array(head[found.end() :], pieces, Splitter(reader=reader, in_object=True))
    elif head.startswith(b"["):
        yield from _array(head, pieces, Splitter(reader=reader))
    else:
        yield from _lines(head, pieces, reader)


def _array(head: bytes, pieces: Iterator[bytes], splitter: Splitter) -> Iterator[Sequence[Row]]:
    if rows := splitter.feed(head):
        yield rows
    for piece in pieces:
        if rows := splitter.feed(piece):
            yield rows
    if rows := splitter.end():
        yield rows
    splitter.close()


def _lines(head: bytes, pieces: Iterator[bytes], reader: "_Reader") -> Iterator[Sequence[Row]]:
    """Read a row from each line, in portions of whole lines."""
    _check_first(head)
    buffer = bytearray(head)
    for piece in pieces:
        buffer += piece
        if len(buffer) < PORTION_BYTES:
            continue
        end = buffer.rfind(b"\n") + 1
        if end:
            yield reader.lines(bytes(buffer[:end]))
            del buffer[:end]
        elif len(buffer) > LARGEST_LINE_BYTES:
            raise BrokenBody(f"a line is larger than {LARGEST_LINE_BYTES >> 20} MiB")
    if buffer.strip():
        yield reader.lines(bytes(buffer))


def _check_first(head: bytes) -> None:
    """Refuse what is no file of interactions at all, rather than quarantine each of its lines."""
    first, newline, _ = head.partition(b"\n")
    try:
        value = msgspec.json.decode(first)
    except NOT_JSON:
        if head.startswith(b"{") and not newline:
            return  # one that is longer than what was read
        value = None
    if not isinstance(value, dict):
        raise BrokenBody(f"its first line is no JSON object, {_EXPECTED}")


class _Entry(msgspec.Struct, gc=False):
    """What tells of a row how it is written: by KPIggybank, by CouchDB, or as a bare blob."""

    id: str | None = None
    key: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    value: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    changes: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    doc: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    deleted: bool = False
    own_id: str | None = msgspec.field(name="_id", default=None)


_decode_entries = msgspec.json.Decoder(list[_Entry]).decode
_decode_entry = msgspec.json.Decoder(_Entry).decode
_decode_raws = msgspec.json.Decoder(list[msgspec.Raw]).decode


class _Reader:
    """Reads rows however they are written, and counts what is none; a `RowReader`."""

    def __init__(self) -> None:
        self.skipped = 0
        self.of_couchdb = False

    def rows(self, array: bytes) -> Sequence[Row]:
        """Read an array."""
        raws = _decode_raws(array)
        try:
            entries = _decode_entries(array)
        except msgspec.ValidationError:
            return [row for raw in raws for row in self.row(bytes(raw))]
        pairs = zip(entries, raws, strict=True)
        return [row for entry, raw in pairs for row in self._row(entry, bytes(raw))]

    def row(self, raw: bytes) -> Sequence[Row]:
        """Read one element."""
        try:
            return self._row(_decode_entry(raw), raw)
        except NOT_JSON:
            return (read_row(raw),)

    def lines(self, text: bytes) -> Sequence[Row]:
        """Read whole lines, each of which is a row, but for blank ones."""
        lines = [line for line in map(bytes.strip, text.split(b"\n")) if line]
        array = b"[" + b",".join(lines) + b"]"
        try:
            if len(_decode_raws(array)) == len(lines):
                return self.rows(array)
        except NOT_JSON:
            pass
        return [row for line in lines for row in self.row(line)]

    def _row(self, entry: _Entry, raw: bytes) -> Sequence[Row]:
        if entry.id is not None:
            if entry.doc is not msgspec.UNSET and (
                entry.value is not msgspec.UNSET or entry.changes is not msgspec.UNSET
            ):
                return self._of_couchdb(entry.id, bytes(entry.doc), deleted=entry.deleted)
            if entry.changes is not msgspec.UNSET or (
                self.of_couchdb
                and entry.value is not msgspec.UNSET
                and _REVISION_ALONE.fullmatch(bytes(entry.value))
            ):
                if entry.deleted:
                    return self._none()
                raise BrokenBody(
                    "it lists documents without what is in them; fetch it with include_docs=true"
                )
            if entry.key is not msgspec.UNSET and entry.value is not msgspec.UNSET:
                return (Row(usable_id(entry.id), bytes(entry.value)),)
        if entry.own_id:
            return (Row(usable_id(entry.own_id), raw),)
        return (read_row(raw),)

    def _of_couchdb(self, id_: str, doc: bytes, *, deleted: bool) -> Sequence[Row]:
        if deleted or doc == b"null" or id_.startswith("_design/"):
            return self._none()
        return (Row(usable_id(id_), doc),)

    def _none(self) -> Sequence[Row]:
        self.skipped += 1
        return ()
