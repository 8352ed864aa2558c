"""A corpus of interactions (`fake_server.corpus`), mapped into memory and never read whole."""

import json
import mmap
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring rows of a corpus."""

    corpus: "Corpus"
    first: int
    end: int

    def __len__(self) -> int:
        """Return how many rows there are."""
        return self.end - self.first

    @property
    def text(self) -> memoryview:
        """The rows, commas between them."""
        offsets = self.corpus.offsets
        return self.corpus.rows[offsets[self.first] : offsets[self.end] - 1]

    def split(self) -> Iterator[bytes]:
        """Return the rows, one by one."""
        offsets = self.corpus.offsets
        for row in range(self.first, self.end):
            yield bytes(self.corpus.rows[offsets[row] : offsets[row + 1] - 1])


class Corpus:
    """A directory of rows, mapped into memory."""

    def __init__(self, directory: Path) -> None:
        """Open one that is complete."""
        self.facts: dict[str, Any] = json.loads((directory / "corpus.json").read_bytes())
        self.rows = _mapped(directory / "rows")
        self.offsets: Sequence[int] = _mapped(directory / "offsets").cast("Q")
        self.timestamps: Sequence[int] = _mapped(directory / "timestamps").cast("q")

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(self.timestamps)

    @property
    def backend(self) -> str:
        """The backend whose rows these are."""
        return str(self.facts["backend"])

    def before(self, timestamp_ms: float) -> int:
        """Return how many rows are older."""
        return bisect_left(self.timestamps, timestamp_ms)

    def up_to(self, timestamp_ms: float) -> int:
        """Return how many rows are older or as old."""
        return bisect_right(self.timestamps, timestamp_ms)

    def find(self, identity: bytes) -> bytes | None:
        """Return the row that holds some bytes. Looks through all of them."""
        for row in Run(self, 0, len(self)).split():
            if identity in row:
                return row
        return None


def _mapped(path: Path) -> memoryview:
    with path.open("rb") as file:
        # An empty file cannot be mapped.
        if path.stat().st_size == 0:
            return memoryview(b"")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
