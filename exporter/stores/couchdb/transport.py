"""The boundary: requests through the `couchdb` package, none of its transport's weaknesses inside.

The package addresses databases and documents; what it would do with connections (wait for
ever, send a POST again, trip over an error's body) is done here by `exporter.exchange` instead.
"""

import threading
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import TypeAlias

import msgspec
from couchdb import http

from exporter.escape import escaped
from exporter.exchange import Answer as HttpAnswer
from exporter.exchange import Client, ExchangeError, ExchangeTooSlowError
from exporter.ports import StoreError, StoreUnavailableError

MOST_BYTES = 1 << 30  # of an answer
TIMEOUT_SECONDS = 65.0  # CouchDB itself gives a query up after 60
PAUSE_SECONDS = 600.0  # after refused credentials: five wrong ones lock an address out
_AT_ONCE = 4  # requests; five that are under way when a password changes lock an address out
_SHOWN = 200  # characters of an answer that a message quotes

Answer: TypeAlias = tuple[int, Mapping[str, str], BytesIO]


class Refused(StoreUnavailableError):
    """CouchDB answered with an error; `status`, `error` and `reason` are its words."""

    def __init__(self, message: str, *, status: int, error: str, reason: str) -> None:
        super().__init__(message)
        self.status = status
        self.error = error
        self.reason = reason

    @property
    def lacks_right(self) -> bool:
        """Whether the user is known to CouchDB, but may not do this."""
        return self.status in (401, 403) and self.reason.startswith(_LACKS_RIGHT)


class NotFound(Refused):
    """There is no such database, document or view."""


class Conflict(Refused):
    """Someone else changed the document meanwhile."""


class Exists(Refused):
    """The database is there already."""


class _Words(msgspec.Struct):
    """The body of an error."""

    error: str = ""
    reason: str | None = ""


_UNEXPLAINED = "internal_server_error"  # all that a full disk is called
_LACKS_RIGHT = "You are not"  # "… a server admin", "… a db or server admin", "… allowed to …"
_KINDS: Mapping[int, type[Refused]] = {404: NotFound, 409: Conflict, 412: Exists}
_MEANINGS: Mapping[int, str] = {
    413: "finds a request too large",
    429: "asks to be left alone for a while",
    503: "is not ready",
    507: "is out of disk space",
}


class Transport(http.Session):  # type: ignore[misc] # the package ships no types
    """Sends what the package wants sent; every failure is a `StoreError`.

    After refused credentials nothing is sent for `PAUSE_SECONDS`, so that the address is not
    locked out, unless `password_again` reads another password meanwhile. Safe for several threads.
    """

    def __init__(
        self,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        ca_file: Path | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        password_again: Callable[[], str | None] = lambda: None,
    ) -> None:
        super().__init__(timeout=timeout_seconds, retryable_errors=())
        self._timeout_seconds = timeout_seconds
        self._monotonic = monotonic
        self._password_again = password_again
        self._password: str | None = None  # in place of the first one
        self._paused: _Pause | None = None
        self._client = Client(ca_file=ca_file, connections=_AT_ONCE)
        self._sending = threading.BoundedSemaphore(_AT_ONCE)

    def request(
        self,
        method: str,
        url: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        credentials: tuple[str, str] | None = None,
        num_redirects: int = 0,  # noqa: ARG002
    ) -> Answer:
        """Send one request, once, and read its answer whole; a few at the same time."""
        with self._sending:
            return self._request(method, url, body, headers, credentials)

    def _request(
        self,
        method: str,
        url: str,
        body: bytes | None,
        headers: Mapping[str, str] | None,
        credentials: tuple[str, str] | None,
    ) -> Answer:
        self._hold_back()
        if credentials is not None and self._password is not None:
            credentials = credentials[0], self._password
        server = "/".join(url.split("/", 3)[:3])
        try:
            with self._client.exchange(
                method,
                url,
                body=body,
                headers={**_headers(body, credentials), **(headers or {})},
                timeout_seconds=self._timeout_seconds,
            ) as answer:
                content = answer.read(MOST_BYTES)
        except ExchangeTooSlowError as error:
            raise StoreUnavailableError(
                f"CouchDB at {server} did not answer {method} {_path(url)} in time"
            ) from error
        except ExchangeError as error:
            if error.untrusted:
                raise StoreUnavailableError(
                    f"CouchDB at {server} has no certificate to trust ({error});"
                    " name its authority in store.ca_file"
                ) from error
            raise StoreUnavailableError(
                f"CouchDB at {server} cannot be reached: {error}"
            ) from error
        if answer.status < HTTPStatus.MULTIPLE_CHOICES and _is_json(answer):
            return answer.status, answer.headers, BytesIO(content)
        raise self._explained(answer, content, f"{method} {_path(url)}", server, credentials)

    def close(self) -> None:
        """Close connections."""
        self._client.close()

    def _hold_back(self) -> None:
        if self._paused is None:
            return
        password = self._password_again()
        if password is not None and password != self._paused.password:
            self._password = password
        elif self._monotonic() < self._paused.until:
            raise StoreUnavailableError(self._paused.message)
        self._paused = None

    def _explained(
        self,
        answer: HttpAnswer,
        content: bytes,
        what: str,
        server: str,
        credentials: tuple[str, str] | None,
    ) -> StoreError:
        status = answer.status
        if _is_json(answer):
            words = _words(content)
        elif status in (401, 403, 429, 507):
            words = _Words(error="", reason=answer.reason)
        else:
            kind = answer.headers.get("content-type", "nothing")
            return Refused(
                f"CouchDB at {server} answered {what} with {status} and"
                f" {kind} in place of JSON; is that CouchDB, or a proxy in front of it?",
                status=status,
                error="",
                reason=escaped(content, _SHOWN),
            )
        if status in (401, 403):
            return self._denied(words, status, server, credentials)
        meaning = _MEANINGS.get(status, "failed")
        if words.reason == _UNEXPLAINED:
            meaning = "failed (its log says why, a full disk is one reason)"
        return _KINDS.get(status, Refused)(
            f"CouchDB at {server} {meaning}: {what} gave {status} ({words.error}: {words.reason})",
            status=status,
            error=words.error,
            reason=words.reason or "",
        )

    def _denied(
        self, words: _Words, status: int, server: str, credentials: tuple[str, str] | None
    ) -> StoreError:
        user = "requests without a user" if credentials is None else f"user {credentials[0]}"
        reason = words.reason or words.error
        if reason.startswith(_LACKS_RIGHT):
            message = f"CouchDB at {server} does not let {user} do that ({reason})"
        else:
            message = (
                f"CouchDB at {server} refuses {user} ({reason}); correct store.username and"
                " store.password_file, which is read again. Not asked again before it changes, or"
                f" for {PAUSE_SECONDS / 60:.0f} minutes: five wrong passwords lock this address out"
            )
            password = "" if credentials is None else credentials[1]
            until = self._monotonic() + PAUSE_SECONDS
            self._paused = _Pause(until=until, message=message, password=password)
        return Refused(message, status=status, error=words.error, reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pause:
    """Nothing is sent until then; `password` is the one that was refused."""

    until: float
    message: str
    password: str


def _is_json(answer: HttpAnswer) -> bool:
    return "application/json" in answer.headers.get("content-type", "")


def _headers(body: bytes | None, credentials: tuple[str, str] | None) -> dict[str, str]:
    headers = {"Accept": "application/json"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    if credentials is not None:
        headers["Authorization"] = "Basic " + b64encode(":".join(credentials).encode()).decode()
    return headers


def _words(content: bytes) -> _Words:
    """Read the words of an error, fit for a log; of a bulk write's the first that failed."""
    try:
        words = msgspec.json.decode(content, type=_Words | list[_Words])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Words(error=escaped(content, _SHOWN))
    if not isinstance(words, _Words):
        words = next((each for each in words if each.error), _Words(error="no reason given"))
    return _Words(error=escaped(words.error, _SHOWN), reason=escaped(words.reason or "", _SHOWN))


def _path(url: str) -> str:
    return "/" + url.split("/", 3)[-1].partition("?")[0]
