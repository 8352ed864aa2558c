"""Tallies as arrays of whole numbers, which CouchDB's `_sum` adds up.

All counts of an hour make a matrix, the layout's rows by slots. It is cut into tiles, so that
no array becomes longer than `_sum` takes (4,906 bytes of Erlang's external format, 9 for a
number at most); an array ends with its last number that is not 0. A document holds an array of
few numbers as an object, position -> number, from which the view makes the array. Histograms
leave most tiles empty; only those that some tally uses are read.

Earlier versions wrote slots far out one by one into an overflow, which is read here still.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple, TypeAlias

from exporter.domain.interaction import HOURS_PER_DAY, Hour
from exporter.domain.layout import Layout
from exporter.domain.tally import Counts, Key, Tally, add
from exporter.ports import PeriodCounts

ROWS = 15
SLOTS = 32
OVERFLOW = -1  # in place of a slot tile
EARLIER_TILES = 8  # slot tiles of earlier versions, beside the overflow
_SPARSE = 3  # a number with its position takes as much room as so many alone

Numbers: TypeAlias = list[int] | dict[str, int]
TileRow: TypeAlias = tuple[Hour, int, int, Numbers]
"""Hour, row tile, slot tile, numbers."""


class Tile(NamedTuple):
    """Where a tile lies in the matrix."""

    row: int
    slot: int


def encoded(tally: Tally, layout: Layout) -> list[TileRow]:
    """Write a tally as rows of tiles."""
    places = {place: n for n, place in enumerate(layout.segments)}
    tiles: dict[tuple[Hour, int, int], dict[int, int]] = {}
    for key, counts in tally.items():
        row_tile, row = divmod(places[key.segmentation, key.segment], ROWS)
        for slot, n in counts.items():
            slot_tile, column = divmod(slot, SLOTS)
            tile = tiles.setdefault((key.hour, row_tile, slot_tile), {})
            tile[column * ROWS + row] = n
    return [
        (hour, row, slot, _written(numbers)) for (hour, row, slot), numbers in sorted(tiles.items())
    ]


def _written(numbers: dict[int, int]) -> Numbers:
    length = max(numbers) + 1
    if _SPARSE * len(numbers) < length:
        return {str(position): n for position, n in sorted(numbers.items())}
    array = [0] * length
    for position, n in numbers.items():
        array[position] = n
    return array


def negated(rows: Iterable[TileRow]) -> list[TileRow]:
    """Return the rows that take back what these add."""
    return [(hour, row, slot, _negated(numbers)) for hour, row, slot, numbers in rows]


def _negated(numbers: Numbers) -> Numbers:
    if isinstance(numbers, list):
        return [-n for n in numbers]
    return {position: -n for position, n in numbers.items()}


def slot_tiles(rows: Iterable[TileRow]) -> set[int]:
    """Return which slot tiles these rows use."""
    return {slot for _, _, slot, _ in rows}


def tiles_of(
    layout: Layout, slot_tiles_used: Iterable[int], segmentations: Collection[str] | None
) -> list[Tile]:
    """List the tiles in which the counts of these segmentations lie."""
    rows = {
        n // ROWS
        for n, (segmentation, _) in enumerate(layout.segments)
        if segmentations is None or segmentation in segmentations
    }
    return [Tile(row, slot) for row in sorted(rows) for slot in sorted(slot_tiles_used)]


class TileSums:
    """Counts by period and row of the layout, collected from tiles."""

    def __init__(self, layout: Layout, segmentations: Collection[str] | None) -> None:
        self._rows = layout.segments
        self._wanted = [
            segmentations is None or segmentation in segmentations for segmentation, _ in self._rows
        ]
        self._periods: dict[Hour, dict[int, Counts]] = {}

    def put(self, start: Hour, tile: Tile, numbers: list[int]) -> None:
        """Add the numbers of a tile."""
        first_row, first_slot = tile.row * ROWS, tile.slot * SLOTS
        for position, n in enumerate(numbers):
            if n:
                self._add(start, first_row + position % ROWS, first_slot + position // ROWS, n)

    def put_overflow(self, start: Hour, tile: Tile, position: int, n: int) -> None:
        """Add one number of the overflow."""
        self._add(start, tile.row * ROWS + position % ROWS, position // ROWS, n)

    def _add(self, start: Hour, row: int, slot: int, n: int) -> None:
        if self._wanted[row]:
            add(self._periods.setdefault(start, {}).setdefault(row, {}), {slot: n})

    def sums(self) -> Iterator[PeriodCounts]:
        """Return what was taken in, by period, ascending."""
        for start, rows in sorted(self._periods.items()):
            for row, counts in sorted(rows.items()):
                if counts:
                    yield PeriodCounts(start, *self._rows[row], counts)


def day_of(hour: Hour) -> int:
    """Return the day of an hour, as it stands in the keys of the view."""
    return hour // HOURS_PER_DAY


def to_tally(sums: Iterable[PeriodCounts]) -> Tally:
    """Convert sums by hour into a tally."""
    return {Key(row.start, row.segmentation, row.segment): row.counts for row in sums}
