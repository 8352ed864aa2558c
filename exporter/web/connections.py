"""Connections: how many at once, who gives way, and how long an answer may take."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from datetime import timedelta
from functools import partial
from time import monotonic
from typing import Any, cast

import structlog
from tornado.http1connection import HTTP1Connection, HTTP1ServerConnection
from tornado.httpserver import HTTPServer
from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.ioloop import IOLoop
from tornado.iostream import IOStream, SSLIOStream

from exporter.escape import escaped
from exporter.web.client_names import client_names
from exporter.web.file_descriptors import Listener

PAUSE_SECONDS = 1.0  # until it is tried again to accept without a file descriptor
_LOGGED_EVERY_SECONDS = 60.0

_log = structlog.get_logger(__name__)


class Connections(HTTPServer):
    """A server on which slow clients crowd out nobody but themselves.

    A connection is either waiting, for its next request to be there whole, or answering.
    At the limit a new one takes the place of the one that has waited longest: a flood of
    clients that dawdle over their headers cannot keep out one that does not. How long
    a connection may wait is tornado's `idle_connection_timeout`.

    Where there are `client_names`, a client whose certificate has none of them is not listened to.
    """

    client_names: frozenset[str] = frozenset()

    def initialize(
        self,
        *args: Any,
        connections: int = 512,
        answer: timedelta = timedelta(minutes=2),
        **kwargs: Any,
    ) -> None:
        """Set the limits, as Tornado constructs its servers."""
        super().initialize(*args, **kwargs)
        self._handshake_seconds = float(kwargs["idle_connection_timeout"])
        self._limit = connections
        self._answer = answer
        self._waiting: dict[IOStream, None] = {}  # in the order in which they began to wait
        self._answering: dict[IOStream, asyncio.TimerHandle] = {}
        self._quiet = asyncio.Event()  # nothing is being answered
        self._quiet.set()
        self._leaving = False
        self._log_again_at = 0.0

    def accept_from(self, listener: Listener) -> None:
        """Accept connections; where no file descriptor is left, log it and pause."""
        listener.on_exhausted = partial(self._pause, listener)
        self.add_socket(listener)

    def handle_stream(  # type: ignore[override]  # TCPServer's form, which HTTPServer narrows
        self, stream: IOStream, address: tuple[Any, ...]
    ) -> Coroutine[Any, Any, None] | None:
        """Accept a new connection, if there is room: many are accepted before any request."""
        self._admit(stream)
        if stream.closed():
            return None
        if self.client_names:
            return self._handle_named(cast(SSLIOStream, stream), address)
        super().handle_stream(stream, address)
        return None

    async def _handle_named(self, stream: SSLIOStream, address: tuple[Any, ...]) -> None:
        """Listen to a client whose certificate names one that is allowed."""
        try:
            async with asyncio.timeout(self._handshake_seconds):
                await stream.wait_for_handshake()
            found = client_names(stream.socket.getpeercert())
            if found & self.client_names:
                super().handle_stream(stream, address)
                return
            _log.warning(
                "client refused: its certificate has none of client_allowed_sans",
                address=address[0],
                found=sorted(map(escaped, found)),
            )
        except (OSError, TimeoutError):  # no handshake: tornado has logged why
            pass
        stream.close()
        self._forget(stream)

    def start_request(
        self, server_conn: object, request_conn: HTTPConnection
    ) -> HTTPMessageDelegate:
        """Wait for the next request of a connection, new or kept, if there is room."""
        stream = cast(HTTP1Connection, request_conn).stream
        self._forget(stream)
        self._admit(stream)
        return _Noticed(
            super().start_request(server_conn, request_conn), partial(self._arrived, stream)
        )

    def on_close(self, server_conn: object) -> None:
        """Return the place of a connection that is gone to others."""
        super().on_close(server_conn)
        self._forget(cast(HTTP1ServerConnection, server_conn).stream)

    async def drain(self, patience: timedelta) -> None:
        """Refuse more requests, finish those under way, then close everything."""
        self.stop()
        self._leaving = True
        for stream in list(self._waiting):
            stream.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._quiet.wait(), patience.total_seconds())
        await self.close_all_connections()

    def _admit(self, stream: IOStream) -> None:
        if self._leaving:
            stream.close()
        elif len(self._waiting) + len(self._answering) >= self._limit:
            self._make_room(stream)
        if not stream.closed():
            self._waiting[stream] = None

    def _pause(self, listener: Listener) -> None:
        IOLoop.current().update_handler(listener, 0)
        IOLoop.current().call_later(PAUSE_SECONDS, self._resume, listener)
        if monotonic() >= self._log_again_at:
            self._log_again_at = monotonic() + _LOGGED_EVERY_SECONDS
            _log.error(
                "no file descriptor left, new connections wait; allow the process more"
                " (LimitNOFILE, ulimit -n)"
            )

    def _resume(self, listener: Listener) -> None:
        if not self._leaving:
            IOLoop.current().update_handler(listener, IOLoop.READ)

    def _make_room(self, newcomer: IOStream) -> None:
        victim = next(iter(self._waiting), newcomer)
        victim.close()
        self._forget(victim)

    def _arrived(self, stream: IOStream) -> None:
        """Start the limit of time for the answer, once a request is there whole."""
        if stream in self._answering:
            return
        self._waiting.pop(stream, None)
        loop = asyncio.get_running_loop()
        self._answering[stream] = loop.call_later(self._answer.total_seconds(), stream.close)
        self._quiet.clear()

    def _forget(self, stream: IOStream) -> None:
        self._waiting.pop(stream, None)
        if (timer := self._answering.pop(stream, None)) is not None:
            timer.cancel()
        if not self._answering:
            self._quiet.set()


class _Noticed(HTTPMessageDelegate):
    """Passes a request on, and notifies when it has arrived, its body included."""

    def __init__(self, inner: HTTPMessageDelegate, arrived: Callable[[], None]) -> None:
        self._inner = inner
        self._arrived = arrived

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        if headers.get("Content-Length", "0") == "0" and "Transfer-Encoding" not in headers:
            self._arrived()  # there is no body to wait for
        return self._inner.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return self._inner.data_received(chunk)

    def finish(self) -> None:
        self._arrived()
        self._inner.finish()

    def on_connection_close(self) -> None:
        self._inner.on_connection_close()
