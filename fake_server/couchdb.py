"""KPIggybank's production backend: CouchDB, and a view with the timestamp as its key."""

import json
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable
from math import isnan
from typing import Any, Final

from fake_server.mapped import Corpus, Run
from fake_server.rows import Record, compact, utf8
from fake_server.store import BackendDied, Rows, Store, js_integer

_Key = tuple[int, float | str]
"""CouchDB's order of keys: null, booleans, numbers, strings, anything else."""

_NUMBER: Final = 2
_LOWEST: Final[_Key] = (-1, "")
_HIGHEST: Final[_Key] = (9, "")


class CouchDB(Store):
    """The production backend: a view with the timestamp as its key."""

    changes_streamed = 9

    def __init__(self, corpus: Corpus | None = None) -> None:
        """Start with a corpus, or empty."""
        super().__init__(corpus)
        self._documents: dict[str, tuple[Record, int]] = {}
        self._rows: dict[_Key, dict[str, bytes]] = {}
        self._keys: list[_Key] = []
        self._sequence = 0
        self._latest = ""

    def add(self, record: Record) -> None:
        """Store a blob, or a new revision of it."""
        before, revision = self._documents.get(record.id, (None, 0))
        if before is not None:
            self._drop_row(before)
        revision += 1
        self._documents[record.id] = (record, revision)
        if _is_truthy(record.timestamp):
            key = _collated(record.timestamp)
            if key not in self._rows:
                self._rows[key] = {}
                insort(self._keys, key)
            self._rows[key][record.id] = record.couchdb_row(revision)
        self._sequence += 1
        self._latest = record.id

    def latest_change(self) -> bytes:
        """Return a line of the changes feed, document included."""
        record, revision = self._documents[self._latest]
        return utf8(
            f'{{"seq":{self._sequence},"id":{compact(record.id)},'
            f'"changes":[{{"rev":"{record.revision(revision)}"}}],'
            f'"doc":{record.couchdb_document(revision)}}}'
        )

    def remove(self, ids: Iterable[str]) -> None:
        """Remove documents."""
        for one in ids:
            record, _ = self._documents.pop(one)
            self._drop_row(record)

    def between(self, start: str | None, end: str | None) -> Rows:
        """Return the rows by key, then id, both bounds included."""
        low = _LOWEST if start is None else _bound(start)
        high = _HIGHEST if end is None else _bound(end)
        if low > high:
            raise BackendDied("the start is after the end")
        first, stop = self._corpus_before(low, own=False), self._corpus_before(high, own=True)
        rows: Rows = []
        for key in self._keys[bisect_left(self._keys, low) : bisect_right(self._keys, high)]:
            upto = self._corpus_before(key, own=True)
            rows += self._run(first, upto)
            first = max(first, upto)
            rows += [row for _, row in sorted(self._rows[key].items())]
        return rows + self._run(first, stop)

    def __len__(self) -> int:
        """Return how many documents there are."""
        return len(self._documents) + len(self.corpus or ())

    def count(self) -> int | None:
        """Count all documents; an empty view has no row to take the count from."""
        return len(self) or None

    def last(self) -> bytes:
        """Return the row with the highest key."""
        newest = self._keys[-1] if self._keys else _LOWEST
        if self.corpus and (2, self.corpus.timestamps[-1]) > newest:
            return bytes(Run(self.corpus, len(self.corpus) - 1, len(self.corpus)).text)
        return max(self._rows[newest].items())[1] if self._keys else b""

    def one(self, name: str) -> bytes:
        """Return the document."""
        if name in self._documents:
            record, revision = self._documents[name]
            return utf8(f'{{"results":{record.couchdb_document(revision)}}}')
        row = self.corpus.find(utf8(f'{{"id":{compact(name)},')) if self.corpus else None
        if row is None:
            raise BackendDied("there is no such document")
        return utf8(compact({"results": json.loads(row)["value"]}))

    def _corpus_before(self, key: "_Key", *, own: bool) -> int:
        if self.corpus is None or key[0] < _NUMBER:
            return 0
        if key[0] > _NUMBER:
            return len(self.corpus)
        timestamp_ms = float(key[1])
        return self.corpus.up_to(timestamp_ms) if own else self.corpus.before(timestamp_ms)

    def _run(self, first: int, end: int) -> Rows:
        return [Run(self.corpus, first, end)] if self.corpus and first < end else []

    def _drop_row(self, record: Record) -> None:
        if not _is_truthy(record.timestamp):
            return
        key = _collated(record.timestamp)
        del self._rows[key][record.id]
        if not self._rows[key]:
            del self._rows[key]
            del self._keys[bisect_left(self._keys, key)]


def _collated(value: Any) -> _Key:
    if isinstance(value, bool):
        return (1, float(value))
    if isinstance(value, int | float):
        return (_NUMBER, value)
    if isinstance(value, str):
        return (3, value)
    return (0, "") if value is None else (4, compact(value))


def _bound(text: str) -> _Key:
    number = js_integer(text)
    # What is not a number reaches CouchDB as null.
    return _collated(None if isnan(number) else number)


def _is_truthy(value: Any) -> bool:
    """Return the truth of a value in JavaScript."""
    if isinstance(value, list | dict):
        return True
    return bool(value) and not (isinstance(value, float) and isnan(value))
