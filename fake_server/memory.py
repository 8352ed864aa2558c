"""KPIggybank's backend for trying things out: a list in memory."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable
from math import inf, isnan, nan
from typing import Any

from fake_server.mapped import Corpus, Run
from fake_server.rows import Record
from fake_server.store import Rows, Store, js_integer


class Memory(Store):
    """The backend for trying things out: a list, in order of arrival."""

    def __init__(self, corpus: Corpus | None = None) -> None:
        """Start with a corpus, or empty."""
        super().__init__(corpus)
        self._arrived = 0
        self._blobs: dict[int, tuple[Record, bytes]] = {}
        self._by_timestamp: dict[float, list[int]] = {}
        self._timestamps: list[float] = []

    def add(self, record: Record) -> None:
        """Add a blob at the end."""
        row = record.memory_row()
        timestamp = _as_number(record.timestamp)
        if not isnan(timestamp):
            if timestamp not in self._by_timestamp:
                self._by_timestamp[timestamp] = []
                insort(self._timestamps, timestamp)
            self._by_timestamp[timestamp].append(self._arrived)
        self._blobs[self._arrived] = (record, row)
        self._arrived += 1

    def latest_change(self) -> bytes:
        """Return the blob alone."""
        return self._blobs[self._arrived - 1][1]

    def remove(self, ids: Iterable[str]) -> None:
        """Remove blobs."""
        gone = set(ids)
        for arrival, (record, _) in list(self._blobs.items()):
            if record.id in gone:
                del self._blobs[arrival]
                timestamp = _as_number(record.timestamp)
                if not isnan(timestamp):
                    self._by_timestamp[timestamp].remove(arrival)

    def between(self, start: str | None, end: str | None) -> Rows:
        """Return the rows by arrival, both bounds excluded; no end where it is 0 or no number."""
        low, high = js_integer(start), js_integer(end)
        low = -inf if isnan(low) else low
        high = high if high and not isnan(high) else inf
        rows: Rows = []
        if self.corpus:
            first, stop = self.corpus.up_to(low), self.corpus.before(high)
            rows += [Run(self.corpus, first, stop)] if first < stop else []
        timestamps = self._timestamps
        inside = timestamps[bisect_right(timestamps, low) : bisect_left(timestamps, high)]
        arrivals = sorted(one for timestamp in inside for one in self._by_timestamp[timestamp])
        return rows + [self._blobs[one][1] for one in arrivals]

    def __len__(self) -> int:
        """Return how many blobs there are."""
        return len(self._blobs) + len(self.corpus or ())

    def count(self) -> int | None:
        """Return None: it never works."""
        return None

    def last(self) -> bytes:
        """Return the first ever stored."""
        if self.corpus:
            return next(Run(self.corpus, 0, 1).split())
        return next((row for _, row in self._blobs.values()), b"")

    def one(self, name: str) -> bytes:
        """Return the blob with the oddity, or an object without it."""
        for record, row in self._blobs.values():
            if name in {record.oddity, record.id}:
                return b'{"results":%b}' % row
        found = self.corpus.find(b'"%b":' % name.encode()) if self.corpus else None
        return b'{"results":%b}' % found if found else b"{}"


def _as_number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return nan
