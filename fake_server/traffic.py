"""Counts of what was asked and sent, for tests that hold a client to its promises."""

import threading
from collections import Counter, deque
from typing import Any, Final

from fake_server.messages import Request
from fake_server.wsapi import DATA

_RANGES_KEPT: Final = 10_000


class Traffic:
    """Requests, rows and bytes by path, and the ranges asked for last."""

    def __init__(self) -> None:
        """Start at zero."""
        self._lock = threading.Lock()
        self._requests: Counter[str] = Counter()
        self._rows: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()
        self._ranges: deque[tuple[str | None, str | None]] = deque(maxlen=_RANGES_KEPT)

    def request(self, request: Request) -> int:
        """Count a request, and say how many came before it for the same path."""
        given = request.parameters
        with self._lock:
            if request.path == DATA and request.method == "GET" and "id" not in given:
                self._ranges.append((given.get("start"), given.get("end")))
            self._requests[request.path] += 1
            return self._requests[request.path] - 1

    def answer(self, path: str, *, rows: int, size: int) -> None:
        """Count an answer, whether or not all of it gets there."""
        with self._lock:
            self._rows[path] += rows
            self._bytes[path] += size

    def as_json(self) -> dict[str, Any]:
        """Return `{"requests": {path: n}, "rows": …, "bytes": …, "ranges": [[start, end], …]}`."""
        with self._lock:
            return {
                "requests": dict(self._requests),
                "rows": dict(self._rows),
                "bytes": dict(self._bytes),
                "ranges": [list(one) for one in self._ranges],
            }
