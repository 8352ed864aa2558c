"""What a KPIggybank keeps its blobs in, and which rows of it a request gets."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from math import nan

from fake_server.mapped import Corpus, Run
from fake_server.rows import Record

Rows = list[Run | bytes]
"""Rows as JSON, and runs of them, in order."""


def joined(rows: Rows) -> bytes:
    """Return the rows with commas between them."""
    return b",".join(one.text if isinstance(one, Run) else one for one in rows)


def split(rows: Rows) -> Iterator[bytes]:
    """Return the rows one by one."""
    for one in rows:
        if isinstance(one, Run):
            yield from one.split()
        else:
            yield one


def number_of(rows: Rows) -> int:
    """Return how many rows there are."""
    return sum(len(one) if isinstance(one, Run) else 1 for one in rows)


class BackendDied(Exception):
    """The real server's process ends here: no answer, and nobody listens any more."""


class Store(ABC):
    """One backend's blobs. Rows are JSON, or runs of them."""

    changes_streamed: int | None = None
    """After so many changes the stream falls silent; None: never."""

    def __init__(self, corpus: Corpus | None) -> None:
        """Start with a corpus, or empty."""
        self.corpus = corpus

    @abstractmethod
    def add(self, record: Record) -> None:
        """Store a blob."""

    @abstractmethod
    def latest_change(self) -> bytes:
        """Return what the stream says about the blob that was added last."""

    @abstractmethod
    def remove(self, ids: Iterable[str]) -> None:
        """Remove blobs; not those of the corpus."""

    @abstractmethod
    def between(self, start: str | None, end: str | None) -> Rows:
        """Return the rows that a request with such parameters gets."""

    @abstractmethod
    def __len__(self) -> int:
        """Return how many blobs there are, whether a range returns them or not."""

    @abstractmethod
    def count(self) -> int | None:
        """Return what `/count` says; None where it fails."""

    @abstractmethod
    def last(self) -> bytes:
        """Return what `/last` says."""

    @abstractmethod
    def one(self, name: str) -> bytes:
        """Return what `?id=` says."""


def js_integer(text: str | None) -> float:
    """Return what JavaScript's parseInt makes of a parameter: the digits that it begins with."""
    digits = re.match(r"\s*([+-]?\d+)", text or "")
    return int(digits[1]) if digits else nan
