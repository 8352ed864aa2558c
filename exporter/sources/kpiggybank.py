"""KPIggybank over HTTP, both of its backends; what its wire does is in `docs/kpiggybank.md`."""

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from http import HTTPStatus
from urllib.parse import urlencode

from typing_extensions import override

from exporter.domain.interaction import Row
from exporter.domain.windows import ms_of
from exporter.exchange import Answer, Client, ExchangeError, ExchangeTooSlowError
from exporter.ports import Source, SourceError, SourceNotReadyError, SourceTooSlowError
from exporter.sources.rows import BrokenBody, Splitter, beginning

READY_SECONDS = 60.0  # so long after a count ranges may be asked for
BUSY_TIMES = 2  # the timeout: with 30 s, 90 s in all, and its CouchDB gives a query up after 60
SLOW_SECONDS = 10.0  # a count that fails at once cannot count; one that fails later is not ready
COUNT_ATTEMPTS = 3
PAUSE_SECONDS = 0.3
LONGEST_COUNT_BYTES = 20
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TRANSIENT = frozenset({500, 502, 503, 504})


class Kpiggybank(Source):
    """A `Source`. `timeout` is for one request, from the connection to the last byte.

    Bounds are asked for one millisecond before and after: one backend leaves them out, the
    other does not.

    A range that is asked for while KPIggybank's view is being built ends its process; a count
    does not. So a count answers before any range, and after a request that took too long
    nothing is asked while the server may still be at work on it.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: timedelta,
        client: Client,
        monotonic: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url = url.rstrip("/")
        self._timeout_seconds = timeout.total_seconds()
        self._client = client
        self._monotonic = monotonic
        self._pause = pause
        self._ready_until = -math.inf  # by the monotonic clock, as is the next
        self._busy_until = -math.inf
        self._busy = SourceNotReadyError()

    @override
    def fetch(self, start: datetime, end: datetime | None) -> Iterator[Sequence[Row]]:
        params = {"start": ms_of(start) - 1}
        if end is not None:
            if end <= start:
                raise ValueError(f"a range that ends before it begins: {start} to {end}")
            params["end"] = ms_of(end)
        url = f"{self._url}?{urlencode(params)}"
        self._count_first()
        try:
            yield from self._range(url)
        except _TransientError:
            self._rest(1)
            self._count_first()  # a range that failed may have ended the server's process
            yield from self._range(url)

    @override
    def count(self) -> int | None:
        for attempt in range(1, COUNT_ATTEMPTS):
            try:
                return self._count()
            except _TransientError:
                self._rest(attempt)
        return self._count()

    @override
    def close(self) -> None:
        self._client.close()

    def _count_first(self) -> None:
        if self._monotonic() >= self._ready_until:
            self.count()

    def _range(self, url: str) -> Iterator[Sequence[Row]]:
        started = False
        try:
            for rows in self._rows(url):
                started = True
                yield rows
        except SourceError as error:
            self._ready_until = -math.inf
            if started and isinstance(error, _TransientError):
                raise SourceError(str(error)) from error  # what came is stored: it goes on there
            if not started and isinstance(error, SourceTooSlowError):
                self._let_finish(str(error))
            raise

    def _rows(self, url: str) -> Iterator[Sequence[Row]]:
        splitter = Splitter()
        with self._answer(url) as answer:
            self._check(url, answer)
            try:
                for piece in answer.pieces():
                    if rows := splitter.feed(piece):
                        yield rows
                if rows := splitter.end():
                    yield rows
                splitter.close()
            except BrokenBody as error:
                raise SourceError(
                    f"{self._url} answered what cannot be read: {error};"
                    " check data_server.url and what stands between"
                ) from error

    def _count(self) -> int | None:
        url = f"{self._url}/count"
        began = self._monotonic()
        count = None
        try:
            with self._answer(url) as answer:
                if answer.status != HTTPStatus.INTERNAL_SERVER_ERROR:
                    self._check(url, answer)
                    count = _number(url, answer)
        except SourceTooSlowError as error:
            raise self._let_finish(str(error)) from error
        took_seconds = self._monotonic() - began
        if count is None and took_seconds >= SLOW_SECONDS:
            raise self._let_finish(f"{url} answered 500 after {took_seconds:.0f} s")
        self._ready_until = self._monotonic() + READY_SECONDS
        return count  # None: it cannot count, or is empty

    @contextmanager
    def _answer(self, url: str) -> Iterator[Answer]:
        """Send a request; what goes wrong with it or its answer is a `SourceError`."""
        if self._monotonic() < self._busy_until:
            raise self._busy
        shown = url.partition("?")[0]
        try:
            with self._client.exchange("GET", url, timeout_seconds=self._timeout_seconds) as answer:
                yield answer
        except ExchangeTooSlowError as error:
            raise SourceTooSlowError(
                f"{shown} did not finish its answer within {self._timeout_seconds:g} s"
                " (data_server.timeout)"
            ) from error
        except ExchangeError as error:
            if error.untrusted:
                raise SourceError(
                    f"{shown} cannot be reached: {error}; name its authority in data_server.ca_file"
                ) from error
            verb = "read" if error.connected else "reached"
            raise _TransientError(f"{shown} cannot be {verb}: {error}") from error

    def _check(self, url: str, answer: Answer) -> None:
        """Raise unless the answer is what was asked for; its body is not read."""
        status = answer.status
        shown = url.partition("?")[0]
        if status == HTTPStatus.OK:
            return
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise SourceError(f"{shown} answered {status}; check data_server.headers")
        if status in _REDIRECTS and "Location" in answer.headers:
            target = answer.headers["Location"].partition("?")[0]
            raise SourceError(
                f"{shown} redirects to {self._client.shown(target)}, which is not followed; if that"
                " is right, set data_server.url to it"
            )
        message = f"{shown} answered {status} {self._client.shown(answer.reason)}".rstrip()
        raise _TransientError(message) if status in _TRANSIENT else SourceError(message)

    def _let_finish(self, what: str) -> SourceNotReadyError:
        """Pause requests for a while; return the error that says so."""
        seconds = BUSY_TIMES * self._timeout_seconds
        self._busy_until = self._monotonic() + seconds
        self._busy = SourceNotReadyError(
            f"{what}; it may be building its view, or be at work on that request still:"
            f" nothing is asked for {seconds:g} s, then for its count before any range"
        )
        return self._busy

    def _rest(self, attempt: int) -> None:
        self._pause(PAUSE_SECONDS * attempt * random.uniform(1, 2))  # noqa: S311 -- no secret


class _TransientError(SourceError):
    """What may work at once if it is asked for again."""


def _number(url: str, answer: Answer) -> int:
    body = b""
    for piece in answer.pieces():
        body += piece
        if len(body) > LONGEST_COUNT_BYTES:
            break
    if body.strip().isdigit() and len(body) <= LONGEST_COUNT_BYTES:
        return int(body)
    raise SourceError(f"{url} answered {beginning(body)}, a number was expected")
