"""HTTP exchanges: a request and its answer, from the connection to the last byte by one deadline.

For whatever talks to a network: `exporter/sources` and `exporter/stores/couchdb` both send through
a `Client`. A library's own time-outs are for each read, so that a peer that drips a byte now and
then is never done; here a timer shuts the connection down from outside, whatever is reading from
it. Only the resolver's search for a name is not under it: that one has limits of its own.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from http.client import BadStatusLine, HTTPException, LineTooLong, RemoteDisconnected
from pathlib import Path
from ssl import SSLCertVerificationError, create_default_context
from typing import Any, Self

from urllib3 import BaseHTTPResponse, PoolManager, ProxyManager, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    ReadTimeoutError,
)

from exporter import __version__
from exporter.escape import escaped

CONNECT_SECONDS = 5.0
IDLE_SECONDS = 0.5  # a connection that was idle for longer may have been forgotten on its way
PIECE_BYTES = 256 * 1024
USER_AGENT = f"kpi-exporter/{__version__}"


class ExchangeError(Exception):
    """There is no whole answer; the message says why, on one short line without its content.

    `connected`: whether the peer was reached. `untrusted`: whether its certificate was refused.
    """

    def __init__(self, message: str, *, connected: bool = True, untrusted: bool = False) -> None:
        super().__init__(message)
        self.connected = connected
        self.untrusted = untrusted


class ExchangeTooSlowError(ExchangeError):
    """The deadline passed before the last byte."""


class Answer:
    """An answer whose body is still to be read, in pieces that are counted, by the deadline."""

    def __init__(self, response: BaseHTTPResponse, deadline: "_Deadline") -> None:
        self._response = response
        self._deadline = deadline
        self._read_to_end = False
        self.status: int = response.status
        self.reason = response.reason or ""  # the server's words, as it sent them
        self.headers: Mapping[str, str] = response.headers

    def pieces(self) -> Iterator[bytes]:
        """Return the decoded body as it comes, none longer than `PIECE_BYTES`.

        Raises `ExchangeError`.
        """
        with _translated(self._deadline):
            while piece := self._response.read1(PIECE_BYTES, decode_content=True):
                self._deadline.check()
                yield piece
            self._deadline.check()  # a connection that is shut down looks like a body's end
            self._read_to_end = True

    def read(self, at_most_bytes: int) -> bytes:
        """Return the whole body. Raises `ExchangeError`, also when it is longer than allowed."""
        body = bytearray()
        for piece in self.pieces():
            body += piece
            if len(body) > at_most_bytes:
                raise ExchangeError(f"the answer is longer than {at_most_bytes:,} bytes")
        return bytes(body)

    def close(self) -> None:
        """Keep the connection if the body was read to its end, else drop it with what is left."""
        if self._read_to_end:
            self._response.release_conn()
        else:
            self._response.close()


class Client:
    """Sends requests. Follows no redirect, repeats nothing, keeps no cookie, reads no environment.

    Proxies and credentials are those that are given, never those of `http_proxy` or `~/.netrc`.
    Safe for several threads.
    """

    def __init__(
        self,
        *,
        headers: Mapping[str, str] | None = None,
        ca_file: Path | None = None,
        proxy: str | None = None,
        proxy_headers: Mapping[str, str] | None = None,
        connections: int = 1,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create one; nothing is sent yet. Raises `OSError` where `ca_file` cannot be read."""
        self._headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "gzip", **(headers or {})}
        self._monotonic = monotonic
        options: dict[str, Any] = {
            "maxsize": connections,
            # The system's certificates are loaded by a connection that needs them: it takes 20 ms.
            "ssl_context": ca_file and create_default_context(cafile=ca_file),
            "retries": False,
        }
        self._pools = (
            PoolManager(**options)
            if proxy is None
            else ProxyManager(proxy, proxy_headers=proxy_headers, **options)
        )
        self._pools.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    @contextmanager
    def exchange(
        self,
        method: str,
        url: str,
        *,
        timeout_seconds: float,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Iterator[Answer]:
        """Send a request, and let its answer be read within so many seconds from now.

        What of it is not read is dropped, unread. Raises `ExchangeError`.
        """
        with _Deadline(timeout_seconds, self._monotonic) as deadline:
            with _translated(deadline):
                token = _DEADLINE.set(deadline)
                try:
                    response = self._pools.urlopen(
                        method,
                        url,
                        body=body,
                        headers={**self._headers, **(headers or {})},
                        redirect=False,
                        preload_content=False,
                        timeout=Timeout(
                            connect=min(CONNECT_SECONDS, timeout_seconds), read=timeout_seconds
                        ),
                    )
                finally:
                    _DEADLINE.reset(token)
            answer = Answer(response, deadline)
            try:
                deadline.check()
                yield answer
            finally:
                answer.close()

    def shown(self, text: str) -> str:
        """Return what a server sent fit for a log: escaped, cut, without what was sent to it."""
        for value in self._headers.values():
            for secret in (value, value.rpartition(" ")[2]):
                if len(secret) > len("gzip"):
                    text = text.replace(secret, "***")
        return escaped(text)

    def close(self) -> None:
        """Close the connections that are idle."""
        self._pools.clear()


class _Deadline:
    """When an exchange has to be over; then its connection is shut down."""

    def __init__(self, seconds: float, monotonic: Callable[[], float]) -> None:
        self.seconds = seconds
        self._monotonic = monotonic
        self._ends = monotonic() + seconds
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None
        self._passed = False
        self._timer = threading.Timer(seconds, self._pass)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            self._drop()

    @property
    def left_seconds(self) -> float:
        return max(0.001, self._ends - self._monotonic())

    @property
    def passed(self) -> bool:
        return self._passed or self._monotonic() >= self._ends

    def check(self) -> None:
        if self.passed:
            raise self.error()

    def error(self) -> ExchangeTooSlowError:
        return ExchangeTooSlowError(f"no whole answer within {self.seconds:g} s")

    def watch(self, connection: socket.socket) -> None:
        """Shut this connection down when the time is over, at once if it is.

        By a descriptor of its own: the connection's may be closed, or wrapped in TLS, meanwhile.
        """
        with self._lock:
            self._drop()
            self._connection = socket.fromfd(
                connection.fileno(), connection.family, connection.type
            )
            if self._passed:
                _shut_down(self._connection)

    def _pass(self) -> None:
        with self._lock:
            self._passed = True
            if self._connection is not None:
                _shut_down(self._connection)

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


_DEADLINE: ContextVar[_Deadline] = ContextVar("deadline")  # of the request that is being sent


class _Connection(HTTPConnection):
    """A connection that the deadline of each exchange can shut down."""

    _used = 0.0

    def _new_conn(self) -> socket.socket:
        deadline = _DEADLINE.get()
        sock = self._connect(deadline)
        deadline.watch(sock)
        sock.settimeout(deadline.left_seconds)
        return sock

    def _connect(self, deadline: _Deadline) -> socket.socket:
        """Connect to the first address of the name that lets itself be connected to, in time."""
        try:
            addresses = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise NewConnectionError(self, f"its name is not known ({error})") from error
        connect_seconds = min(CONNECT_SECONDS, deadline.seconds)
        ends = time.monotonic() + min(connect_seconds, deadline.left_seconds)
        failure: OSError = OSError("its name has no address")
        for n, (family, kind, protocol, _, address) in enumerate(addresses):
            sock = socket.socket(family, kind, protocol)
            sock.settimeout(max(0.001, ends - time.monotonic()) / (len(addresses) - n))
            try:
                for option in self.default_socket_options:
                    sock.setsockopt(*option)
                sock.connect(address)
            except OSError as error:
                sock.close()
                failure = error
            else:
                return sock
        if isinstance(failure, TimeoutError):
            raise ConnectTimeoutError(self, f"no connection within {connect_seconds:g} s")
        raise NewConnectionError(self, _in_words(failure)) from failure

    def request(self, *arguments: Any, **named: Any) -> None:
        if self.sock is not None:  # it is there from an earlier exchange
            _DEADLINE.get().watch(self.sock)
        super().request(*arguments, **named)

    def getresponse(self) -> Any:
        response = super().getresponse()
        self._used = time.monotonic()
        return response

    @property
    def is_connected(self) -> bool:
        """Whether to use it again: where it may have been forgotten, a new one is made."""
        return super().is_connected and time.monotonic() - self._used < IDLE_SECONDS


class _TlsConnection(_Connection, HTTPSConnection):
    """The same with TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


@contextmanager
def _translated(deadline: _Deadline) -> Iterator[None]:
    """Raise an `ExchangeError` for whatever went wrong; after the deadline it is that."""
    try:
        yield
    except ExchangeError:
        raise
    except (HTTPError, HTTPException, OSError) as error:
        cause = _cause(error)
        if isinstance(cause, ConnectTimeoutError | NewConnectionError):
            raise ExchangeError(_message(cause), connected=False) from error
        if isinstance(cause, SSLCertVerificationError):
            raise ExchangeError(
                f"its certificate is not trusted: {escaped(cause.verify_message)}",
                connected=False,
                untrusted=True,
            ) from error
        if deadline.passed or isinstance(error, ReadTimeoutError):
            raise deadline.error() from error
        raise ExchangeError(_in_words(cause)) from error


def _cause(error: BaseException) -> BaseException:
    """Return what is behind the layers of a library's errors."""
    while not isinstance(error, ConnectTimeoutError | NewConnectionError):
        inner = next((one for one in error.args if isinstance(one, Exception)), error.__cause__)
        if inner is None:
            break
        error = inner
    return error


def _message(error: BaseException) -> str:
    """Return the words that this module gave to one of the library's errors."""
    return escaped(str(error).rpartition(": ")[2])


def _in_words(error: BaseException) -> str:
    """Describe a cause without what the server sent: that may be an interaction."""
    if isinstance(error, RemoteDisconnected):
        return "the connection was closed without an answer"
    if isinstance(error, BadStatusLine):
        return "the answer does not begin as HTTP/1 does"
    if isinstance(error, LineTooLong):
        return "the answer has a line that is too long"
    if isinstance(error, OSError):
        return escaped(error.strerror or str(error) or type(error).__name__)
    if isinstance(error, HTTPException | HTTPError):
        return f"the answer is not whole, or not HTTP ({type(error).__name__})"
    return type(error).__name__


def _shut_down(connection: socket.socket) -> None:
    with suppress(OSError):  # it may have ended by itself
        connection.shutdown(socket.SHUT_RDWR)
