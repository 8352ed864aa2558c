"""Collecting as the exporter counts it: requests by answer, interactions by what became of them."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from exporter.metrics.status import Histogram, empty_histogram
from exporter.ports import RESULTS, AddResult

CODES = tuple(
    int(code)
    for code in (
        HTTPStatus.OK,
        HTTPStatus.CREATED,
        HTTPStatus.NO_CONTENT,
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.SERVICE_UNAVAILABLE,
    )
)
"""All that is answered; whatever else were answered would be counted as 500."""

BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectStatus:
    """What was collected since the process began."""

    requests: Mapping[int, int]
    interactions: Mapping[str, int]
    durations: Histogram


class CollectRecorder:
    """Counts what was collected. For several threads at once; cheap enough for each request."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests = dict.fromkeys(CODES, 0)
        self._interactions = dict.fromkeys(RESULTS, 0)
        self._durations = empty_histogram(BUCKETS_SECONDS)

    @property
    def status(self) -> CollectStatus:
        """The counts now; they do not change afterwards."""
        with self._lock:
            return CollectStatus(
                requests=dict(self._requests),
                interactions=dict(self._interactions),
                durations=self._durations,
            )

    def answered(self, status: int, seconds: float | None) -> None:
        """Count a request by its answer; `seconds` is how long a post took."""
        code = status if status in self._requests else int(HTTPStatus.INTERNAL_SERVER_ERROR)
        with self._lock:
            self._requests[code] += 1
            if seconds is not None:
                self._durations = self._durations.observe(seconds)

    def added(self, result: AddResult) -> None:
        """Count what became of collected interactions."""
        with self._lock:
            for name, n in result.counts.items():
                self._interactions[name] += n
