"""The wall: requests through the `couchdb` package, none of its transport's weaknesses inside.

The package addresses databases and documents; what it would do with connections (wait for
ever, send a POST again, trip over an error's body) is done here by `requests` instead.
"""

import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from io import BytesIO
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import requests
from couchdb import http

from exporter.ports import StoreError

CONNECT_SECONDS = 10.0
TIMEOUT_SECONDS = 65.0  # CouchDB itself gives a query up after 60
PAUSE_SECONDS = 600.0  # after refused credentials: five wrong ones lock an address out
_CONNECTIONS = 8
_SHOWN = 200  # characters of an answer that a message quotes

Answer: TypeAlias = tuple[int, Mapping[str, str], BytesIO]


class Refused(StoreError):
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
    locked out. Safe for several threads.
    """

    def __init__(
        self,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        ca_file: Path | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(timeout=timeout_seconds, retryable_errors=())
        self._timeout_seconds = timeout_seconds
        self._monotonic = monotonic
        self._paused: tuple[float, str] | None = None
        self._session = requests.Session()
        self._session.trust_env = False  # no ~/.netrc in place of the configured user
        self._session.verify = True if ca_file is None else str(ca_file)
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("http://", "https://"):
            self._session.mount(
                scheme, requests.adapters.HTTPAdapter(pool_maxsize=_CONNECTIONS, max_retries=0)
            )

    def request(
        self,
        method: str,
        url: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        credentials: tuple[str, str] | None = None,
        num_redirects: int = 0,  # noqa: ARG002
    ) -> Answer:
        """Send one request, once, and read its answer whole."""
        self._hold_back()
        server = "/".join(url.split("/", 3)[:3])
        try:
            answer = self._session.request(
                method,
                url,
                data=body,
                headers={**_headers(body, credentials), **(headers or {})},
                timeout=(min(CONNECT_SECONDS, self._timeout_seconds), self._timeout_seconds),
                allow_redirects=False,
            )
        except requests.exceptions.SSLError as error:
            raise StoreError(
                f"CouchDB at {server} has no certificate to trust ({_innermost(error)});"
                " name its authority in store.ca_file"
            ) from error
        except requests.exceptions.Timeout as error:
            raise StoreError(
                f"CouchDB at {server} did not answer {method} {_path(url)} in time"
            ) from error
        except (requests.RequestException, OSError) as error:
            raise StoreError(
                f"CouchDB at {server} cannot be reached: {_innermost(error)}"
            ) from error
        if answer.status_code < HTTPStatus.MULTIPLE_CHOICES and (
            _is_json(answer) or method == "HEAD"
        ):
            return answer.status_code, answer.headers, BytesIO(answer.content)
        raise self._explained(answer, method, server, credentials)

    def close(self) -> None:
        """Close connections."""
        self._session.close()

    def _hold_back(self) -> None:
        if self._paused is not None:
            until, message = self._paused
            if self._monotonic() < until:
                raise StoreError(message)
            self._paused = None

    def _explained(
        self,
        answer: requests.Response,
        method: str,
        server: str,
        credentials: tuple[str, str] | None,
    ) -> StoreError:
        status = answer.status_code
        if not _is_json(answer):
            kind = answer.headers.get("content-type", "nothing")
            if status not in (401, 403, 429, 507):
                return Refused(
                    f"CouchDB at {server} answered {method} {_path(answer.url)} with {status} and"
                    f" {kind} in place of JSON; is that CouchDB, or a proxy in front of it?",
                    status=status,
                    error="",
                    reason=answer.text[:_SHOWN],
                )
            words = _Words(error="", reason=answer.reason)
        else:
            words = _words(answer.content)
        said = f"{words.error}: {words.reason}"[:_SHOWN]
        if status in (401, 403):
            return self._denied(words, status, server, credentials)
        meaning = _MEANINGS.get(status, "failed")
        return _KINDS.get(status, Refused)(
            f"CouchDB at {server} {meaning}: {method} {_path(answer.url)} gave {status} ({said})",
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
                " store.password_file. Not asked again for"
                f" {PAUSE_SECONDS / 60:.0f} minutes, for five wrong passwords lock this address out"
            )
            self._paused = (self._monotonic() + PAUSE_SECONDS, message)
        return Refused(message, status=status, error=words.error, reason=reason)


def _headers(body: bytes | None, credentials: tuple[str, str] | None) -> dict[str, str]:
    headers = {"Accept": "application/json"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    if credentials is not None:
        headers["Authorization"] = "Basic " + b64encode(":".join(credentials).encode()).decode()
    return headers


def _is_json(answer: requests.Response) -> bool:
    return "application/json" in answer.headers.get("content-type", "")


def _words(content: bytes) -> _Words:
    try:
        return msgspec.json.decode(content, type=_Words)
    except msgspec.DecodeError:
        return _Words(error=content[:_SHOWN].decode(errors="replace"))


def _path(url: str) -> str:
    return "/" + url.split("/", 3)[-1].partition("?")[0]


def _innermost(error: BaseException) -> str:
    """Return the cause beneath the wrappers, without addresses of objects."""
    inner: Any = error
    while True:
        reason = getattr(inner, "reason", None)
        nested = next((a for a in getattr(inner, "args", ()) if isinstance(a, BaseException)), None)
        if isinstance(reason, BaseException):
            inner = reason
        elif nested is not None:
            inner = nested
        else:
            return str(inner).rpartition(": ")[2] or type(inner).__name__
