"""Tallies read from the view: over any range, by day, by hour."""

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from exporter.domain.interaction import HOURS_PER_DAY, Hour
from exporter.domain.layout import Layout
from exporter.ports import PeriodCounts
from exporter.stores.couchdb.design import Views
from exporter.stores.couchdb.server import Database, ViewRow
from exporter.stores.couchdb.tiles import OVERFLOW, Tile, TileSums, day_of, tiles_of

DAYS_AT_ONCE = 100
HOURS_AT_ONCE = 10 * HOURS_PER_DAY
READERS = 4  # tiles read at once
_PLACE = 3  # of a key: generation, row tile, slot tile
_BY_RANGE, _BY_DAY, _BY_HOUR = _PLACE, 4, 5  # how much of a key a group has in common


class TallyReader:
    """Reads the tallies of one generation.

    `slot_tiles`: which slot tiles any tally has used.
    """

    def __init__(
        self,
        tallies: Database,
        views: Views,
        *,
        number: int,
        layout: Layout,
        slot_tiles: Collection[int],
    ) -> None:
        self._tallies = tallies
        self._views = views
        self._number = number
        self._layout = layout
        self._slot_tiles = slot_tiles

    def total(
        self, start: Hour, end: Hour, segmentations: Collection[str] | None
    ) -> list[PeriodCounts]:
        """Add up a range; CouchDB reads a few nodes of its index for it, however long it is."""
        return self._read(start, end, segmentations, _BY_RANGE)

    def by_day(
        self, start: Hour, end: Hour, segmentations: Collection[str] | None
    ) -> Iterator[list[PeriodCounts]]:
        """Add up by day, in portions."""
        length = DAYS_AT_ONCE * HOURS_PER_DAY
        for first in range(start, end, length):
            yield self._read(first, min(first + length, end), segmentations, _BY_DAY)

    def by_hour(
        self, start: Hour, end: Hour, segmentations: Collection[str] | None
    ) -> Iterator[list[PeriodCounts]]:
        """Return each hour, in portions."""
        for first in range(start, end, HOURS_AT_ONCE):
            yield self._read(first, min(first + HOURS_AT_ONCE, end), segmentations, _BY_HOUR)

    def _read(
        self, start: Hour, end: Hour, segmentations: Collection[str] | None, level: int
    ) -> list[PeriodCounts]:
        unpacked = TileSums(self._layout, segmentations)
        tiles = tiles_of(self._layout, self._slot_tiles, segmentations) if start < end else []
        if tiles:
            with ThreadPoolExecutor(READERS, thread_name_prefix="couchdb-tallies") as readers:
                found = readers.map(lambda tile: self._rows(tile, start, end, level), tiles)
                for tile, rows in zip(tiles, found, strict=True):
                    _put(unpacked, tile, rows, start, level)
        return list(unpacked.sums())

    def _rows(self, tile: Tile, start: Hour, end: Hour, level: int) -> list[ViewRow]:
        place = [self._number, tile.row, tile.slot]
        return self._views.rows(
            "tallies",
            startkey=[*place, day_of(start), start],
            endkey=[*place, day_of(end - 1), end - 1, {}],
            **({"group": True} if tile.slot == OVERFLOW else {"group_level": level}),
        )


def _put(unpacked: TileSums, tile: Tile, rows: Sequence[ViewRow], start: Hour, level: int) -> None:
    for row in rows:
        period = row.key[_PLACE:]
        if level == _BY_RANGE:
            first = start
        else:
            first = period[0] * HOURS_PER_DAY if level == _BY_DAY else period[1]
        if tile.slot == OVERFLOW:
            unpacked.put_overflow(first, tile, period[2], row.value)
        else:
            unpacked.put(first, tile, row.value)
