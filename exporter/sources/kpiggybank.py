"""KPIggybank over HTTP, both of its backends; what its wire does is in `docs/kpiggybank.md`."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Self

import requests
from requests.adapters import HTTPAdapter
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError, ReadTimeoutError
from urllib3.util import Retry

from exporter.domain.interaction import Row
from exporter.domain.windows import ms_of
from exporter.ports import SourceError, SourceTooSlowError
from exporter.sources.rows import BrokenBody, Splitter

PIECE_BYTES = 256 * 1024
CONNECT_TIMEOUT_SECONDS = 5.0
LONGEST_COUNT_BYTES = 20


class Kpiggybank:
    """A `Source`. `timeout` is for one request, by the wall clock, its body included.

    Bounds are asked for one millisecond before and after: one backend leaves them out, the
    other does not.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: timedelta,
        headers: Mapping[str, str],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url.rstrip("/")
        self._timeout_seconds = timeout.total_seconds()
        self._connect_timeout_seconds = min(CONNECT_TIMEOUT_SECONDS, self._timeout_seconds)
        self._monotonic = monotonic
        self._session = requests.Session()
        self._session.headers.update(headers)
        again = _Retry(
            total=2,
            redirect=0,
            backoff_factor=0.3,
            backoff_jitter=0.3,
            status_forcelist=(500, 502, 503, 504),
            raise_on_status=False,
            respect_retry_after_header=False,  # a proxy could ask for an hour
        )
        for prefix in ("http://", "https://"):
            self._session.mount(prefix, HTTPAdapter(max_retries=again))
        # A count that answers 500 is a backend that cannot count, not a failure.
        self._session.mount(f"{self._url}/count", HTTPAdapter(max_retries=_Retry(total=0)))

    def fetch(self, start: datetime, end: datetime | None) -> Iterator[Sequence[Row]]:
        """See `Source`."""
        params = {"start": ms_of(start) - 1}
        if end is not None:
            if end <= start:
                raise ValueError(f"a range that ends before it begins: {start} to {end}")
            params["end"] = ms_of(end)
        splitter = Splitter()
        try:
            for piece in self._body("", params):
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

    def count(self) -> int | None:
        """See `Source`."""
        body = b""
        try:
            for piece in self._body("/count", {}, cannot=HTTPStatus.INTERNAL_SERVER_ERROR):
                body += piece
                if len(body) > LONGEST_COUNT_BYTES:
                    break
        except _CannotSayError:
            return None
        if body.strip().isdigit() and len(body) <= LONGEST_COUNT_BYTES:
            return int(body)
        excerpt = body[:60].decode("utf-8", "replace")
        raise SourceError(f"{self._url}/count answered {excerpt!r}, a number was expected")

    def close(self) -> None:
        """See `Source`."""
        self._session.close()

    def _body(
        self, path: str, params: Mapping[str, int], cannot: HTTPStatus | None = None
    ) -> Iterator[bytes]:
        """Return the body in pieces, until the deadline."""
        deadline = self._monotonic() + self._timeout_seconds
        url = self._url + path
        try:
            with closing(
                self._session.get(
                    url,
                    params=params,
                    stream=True,
                    allow_redirects=False,
                    timeout=(self._connect_timeout_seconds, self._timeout_seconds),
                )
            ) as response:
                if response.status_code == cannot:
                    raise _CannotSayError
                self._check(response)
                while True:
                    left = deadline - self._monotonic()
                    if left <= 0:
                        raise SourceTooSlowError(self._too_slow(url))
                    _wait_no_longer_than(response, left)
                    # What is there: a read of so many bytes would wait for each of them anew.
                    piece = response.raw.read1(PIECE_BYTES, decode_content=True)
                    if not piece:
                        return
                    yield piece
        except requests.ConnectTimeout as error:
            raise SourceError(
                f"{url} cannot be reached: no connection within {self._connect_timeout_seconds:g} s"
            ) from error
        except (requests.Timeout, ReadTimeoutError) as error:
            raise SourceTooSlowError(self._too_slow(url)) from error
        except (requests.RequestException, HTTPError) as error:
            raise SourceError(f"{url} cannot be read: {_cause(error)}") from error

    def _too_slow(self, url: str) -> str:
        return (
            f"{url} did not finish its answer within {self._timeout_seconds:g} s"
            " (data_server.timeout)"
        )

    def _check(self, response: requests.Response) -> None:
        status = response.status_code
        if status == HTTPStatus.OK:
            return
        url = response.url.split("?")[0]
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise SourceError(f"{url} answered {status}; check data_server.headers")
        if response.is_redirect:
            target = response.headers.get("Location", "")
            raise SourceError(
                f"{url} redirects to {target}, which is not followed; if that is right,"
                " set data_server.url to it"
            )
        raise SourceError(f"{url} answered {status} {response.reason}")


class _Retry(Retry):
    """Asks again where that may help at once: not for an answer that did not come in time."""

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        error: Exception | None = None,
        *more: Any,
        **named: Any,
    ) -> Self:
        if isinstance(error, ReadTimeoutError):
            raise error
        return super().increment(method, url, response, error, *more, **named)


class _CannotSayError(Exception):
    """The source has no answer to this."""


def _cause(error: BaseException) -> str:
    """Say in one line what is behind the layers of a connection error."""
    while error.__context__ is not None:
        error = error.__context__
    text = " ".join(str(error).split())
    return text or type(error).__name__


def _wait_no_longer_than(response: requests.Response, seconds: float) -> None:
    """Let the next read wait only as long as the deadline allows."""
    connection = getattr(response.raw, "connection", None)
    sock = getattr(connection, "sock", None)
    if sock is not None:
        sock.settimeout(seconds)
