"""The tallies' table: counts by definitions, period and segmentation, added to and read.

Large ones are compressed: a page of the table's tree takes rows of some 1,000 bytes, what is
larger costs a page of its own.
"""

import sqlite3
import threading
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from operator import itemgetter

import msgspec
import zstandard

from exporter.domain.interaction import HOURS_PER_DAY, Hour
from exporter.domain.tally import Counts, Key, Tally, add, merge
from exporter.ports import PeriodCounts
from exporter.stores.sqlite.compression import DamagedBodyError

HOUR, DAY = 1, HOURS_PER_DAY  # how long a row's period is

_Segments = dict[str, Counts]
_decode_msgpack = msgspec.msgpack.Decoder(_Segments).decode
_encode_msgpack = msgspec.msgpack.Encoder().encode
_COMPRESSED_FROM = 950  # bytes
_LEVEL = 1  # as small as with 3
_WHERE = "definitions = ? and hours = ? and start = ? and segmentation = ?"


class _Zstd(threading.local):
    """What compresses and what decompresses, of each thread its own."""

    def __init__(self) -> None:
        self.compress = zstandard.ZstdCompressor(level=_LEVEL).compress
        self.decompress = zstandard.ZstdDecompressor().decompress


_zstd = _Zstd()


def encoded(segments: _Segments) -> bytes:
    """Write the counts of a row."""
    plain = _encode_msgpack(segments)
    if len(plain) < _COMPRESSED_FROM:
        return plain
    return _zstd.compress(plain)


def decoded(counts: bytes) -> _Segments:
    """Read the counts of a row; earlier versions compressed none. Raises `DamagedBodyError`."""
    try:
        is_compressed = counts.startswith(zstandard.FRAME_HEADER)
        return _decode_msgpack(_zstd.decompress(counts) if is_compressed else counts)
    except (zstandard.ZstdError, msgspec.DecodeError) as error:
        raise DamagedBodyError(str(error)) from error


def add_tally(
    db: sqlite3.Connection, digest: str, tally: Tally, lengths: Sequence[int] = (HOUR, DAY)
) -> None:
    """Add a tally to the rows of its hours and of its days."""
    for length in lengths:
        periods: defaultdict[tuple[int, str], list[tuple[str, Counts]]] = defaultdict(list)
        for key, counts in tally.items():
            start = key.hour - key.hour % length
            periods[start, key.segmentation].append((key.segment, counts))
        for (start, segmentation), more in periods.items():
            where = (digest, length, start, segmentation)
            row = db.execute(f"select counts from tallies where {_WHERE}", where).fetchone()  # noqa: S608
            stored = decoded(row[0]) if row else {}
            for segment, counts in more:
                if segment in stored:
                    add(stored[segment], counts)
                else:  # an hour comes once, to a day others are added
                    stored[segment] = counts if length == HOUR else dict(counts)
            left = {segment: counts for segment, counts in stored.items() if counts}
            db.execute(
                "insert or replace into tallies values (?, ?, ?, ?, ?)",
                (*where, encoded(left)),
            )


def sums(
    db: sqlite3.Connection,
    digest: str,
    length: int,
    start: Hour,
    end: Hour,
    segmentations: Collection[str] | None = None,
) -> Iterator[PeriodCounts]:
    """Read the rows of periods of one length that begin in a range, ascending."""
    rows = db.execute(
        "select start, segmentation, counts from tallies"
        " where definitions = ? and hours = ? and start >= ? and start < ?"
        " order by start, segmentation",
        (digest, length, start, end),
    )
    for first, segmentation, counts in rows:
        if segmentations is None or segmentation in segmentations:
            for segment, numbers in decoded(counts).items():
                yield PeriodCounts(first, segmentation, segment, numbers)


def total(
    db: sqlite3.Connection,
    digest: str,
    start: Hour,
    end: Hour,
    segmentations: Collection[str] | None = None,
) -> Iterator[PeriodCounts]:
    """Add up a range: whole days from the days' rows, the rest from the hours'."""
    first_day = -(-start // DAY) * DAY
    last_day = end - end % DAY
    spans = (
        ((HOUR, start, first_day), (DAY, first_day, last_day), (HOUR, last_day, end))
        if first_day < last_day
        else ((HOUR, start, end),)
    )
    totals: dict[tuple[str, str], Counts] = {}
    for length, first, last in spans:
        rows = db.execute(
            "select segmentation, counts from tallies"
            " where definitions = ? and hours = ? and start >= ? and start < ?"
            " order by segmentation, start",
            (digest, length, first, last),
        )
        for segmentation, of_it in groupby(rows, key=itemgetter(0)):
            if segmentations is None or segmentation in segmentations:
                for segment, counts in added_up(tuple([row[1] for row in of_it])).items():
                    add(totals.setdefault((segmentation, segment), {}), counts)
    for (segmentation, segment), counts in totals.items():
        yield PeriodCounts(start, segmentation, segment, counts)


@lru_cache(maxsize=80)  # what the windows of a snapshot come to
def added_up(rows: tuple[bytes, ...]) -> Mapping[str, Counts]:
    """Add up rows of one segmentation: most are those of the snapshot before."""
    sums: _Segments = {}
    for row in rows:
        for segment, counts in decoded(row).items():
            add(sums.setdefault(segment, {}), counts)
    return sums


def replace_hours(
    db: sqlite3.Connection, digest: str, hours: Collection[Hour], right: Tally
) -> None:
    """Set the counts of these hours to `right`, and their days' what the hours come to."""
    change: Tally = {}
    merge(change, right)
    for hour in hours:
        merge(change, _as_tally(sums(db, digest, HOUR, hour, hour + 1)), -1)
    add_tally(db, digest, change, (HOUR,))
    for day in {hour - hour % DAY for hour in hours}:
        db.execute(
            "delete from tallies where definitions = ? and hours = ? and start = ?",
            (digest, DAY, day),
        )
        add_tally(db, digest, _as_tally(sums(db, digest, HOUR, day, day + DAY)), (DAY,))


def _as_tally(rows: Iterator[PeriodCounts]) -> Tally:
    return {Key(row.start, row.segmentation, row.segment): row.counts for row in rows}
