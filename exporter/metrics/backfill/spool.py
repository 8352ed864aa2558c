"""A spool: a table of numbers on disk, written row by row and read column by column."""

from array import array
from collections.abc import Iterable, Iterator
from typing import BinaryIO

BLOCK_BYTES = 8 * 1024 * 1024
_NUMBER_BYTES = 8


class SpoolError(Exception):
    """The spool's file cannot be written, as on a full disk."""


class Spool:
    """Keeps a block of rows in memory, and the blocks before it in the file, each turned round.

    Within a block the numbers of a column lie side by side, so that reading a column takes
    one read a block.
    """

    def __init__(self, file: BinaryIO, columns: int) -> None:
        self._file = file
        self._columns = columns
        self._rows_per_block = max(1, BLOCK_BYTES // (_NUMBER_BYTES * columns))
        self._block = array("d")
        self._blocks: list[int] = []  # rows in each

    def append(self, row: Iterable[float]) -> None:
        """Add a row of as many numbers as there are columns. Raises `SpoolError`."""
        self._block.extend(row)
        if len(self._block) == self._rows_per_block * self._columns:
            self._turn()

    def _turn(self) -> None:
        try:
            for column in range(self._columns):
                self._file.write(self._block[column :: self._columns])
            self._file.flush()
        except OSError as error:
            raise SpoolError(error.strerror or str(error)) from error
        self._blocks.append(len(self._block) // self._columns)
        self._block = array("d")

    def column(self, place: int) -> Iterator[float]:
        """Return the numbers of a column, once all rows are there. Raises `SpoolError`."""
        if self._block:
            self._turn()
        start = 0
        for rows in self._blocks:
            self._file.seek(start + place * rows * _NUMBER_BYTES)
            yield from array("d", self._file.read(rows * _NUMBER_BYTES))
            start += rows * self._columns * _NUMBER_BYTES
