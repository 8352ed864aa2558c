"""Sockets: what comes in over one connection, and how answers go out, whole or not."""

import select
import socket
import struct
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic
from typing import Any, Final, Protocol
from urllib.parse import parse_qs, urlsplit

from fake_server.faults import Fault
from fake_server.messages import Answer, HangUp, Request

_SMALL_BYTES: Final = 65_536
"""Up to this, an answer is sent in one piece."""

_PER_SECOND: Final = 20
"""Into so many pieces a slow answer cuts what it sends in a second."""


class Site(Protocol):
    """What stands behind a listening socket."""

    @property
    def stopping(self) -> threading.Event:
        """Set when no connection may wait any longer."""

    def respond(self, request: Request) -> Answer:
        """Answer, or raise HangUp."""


class Listener(ThreadingHTTPServer):
    """A socket that is bound at once and listens after `server_activate`; and its connections."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], site: Site) -> None:
        """Bind the address; port 0 takes a free one."""
        super().__init__(address, _Handler, bind_and_activate=False)
        self.site = site
        self._connections: set[socket.socket] = set()
        self._to_reset: set[socket.socket] = set()
        try:
            self.server_bind()
        except OSError:
            self.server_close()
            raise

    def server_bind(self) -> None:
        """Bind, without asking the name service what the host is called."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start to serve a connection."""
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        self._connections.discard(request)
        if request in self._to_reset:
            # A polite end first would make the reset pass unnoticed.
            self._to_reset.discard(request)
            request.close()
        else:
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a client that went away, and nothing else."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def reset_at_end(self, connection: socket.socket) -> None:
        """Set a connection to end with a reset."""
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._to_reset.add(connection)

    def close(self) -> None:
        """Stop listening, and drop every connection, whatever it is waiting for."""
        # Shut down, the socket wakes its loop, which would otherwise notice at its next poll.
        _shut_down(self.socket)
        self.shutdown()
        self.server_close()
        for connection in list(self._connections):
            _shut_down(connection)


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Listener

    def do_GET(self) -> None:
        """Answer."""
        self._serve()

    def do_POST(self) -> None:
        """Answer."""
        self._serve()

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def _serve(self) -> None:
        url = urlsplit(self.path)
        parameters = parse_qs(url.query, keep_blank_values=True)
        request = Request(
            method=self.command,
            path=url.path,
            parameters={name: values[0] for name, values in parameters.items()},
            body=self.rfile.read(int(self.headers.get("Content-Length") or 0)),
        )
        try:
            self._send(self.server.site.respond(request))
        except (HangUp, OSError):
            # There is to be no answer, or the client went away.
            self.close_connection = True

    def _send(self, answer: Answer) -> None:
        met = answer.faults
        if "silent" in met:
            self._wait(met["silent"].amount)
            raise HangUp
        if "delay" in met:
            self._wait(met["delay"].amount)
        head = self._head(answer)
        if answer.lines is not None:
            self._stream(head, answer.lines)
            raise HangUp
        body = answer.body
        if "cut" in met:
            body = body[: int(len(body) * met["cut"].amount)]
        if self.request_version == "HTTP/1.0":
            self.close_connection = True
            parts = [body]
        else:
            # One chunk, as Node writes a body that it has in one piece.
            parts = [b"%x\r\n" % len(body), body, b"\r\n0\r\n\r\n"] if body else [b"0\r\n\r\n"]
        if met.keys() & _DELIVERIES:
            self._deliver(head, b"".join(parts), body, met)
        elif len(body) < _SMALL_BYTES:
            self.connection.sendall(b"".join((head, *parts)))
        else:
            for part in (head, *parts):
                self.connection.sendall(part)

    def _head(self, answer: Answer) -> bytes:
        lines = [f"HTTP/1.1 {answer.status} {_phrase(answer.status)}", "X-Powered-By: Express"]
        lines += [f"{name}: {value}" for name, value in answer.headers]
        if self.request_version == "HTTP/1.0":
            lines.append("Connection: close")
        else:
            lines += ["Connection: keep-alive", "Transfer-Encoding: chunked"]
        return "\r\n".join((*lines, "", "")).encode()

    def _deliver(self, head: bytes, rest: bytes, body: bytes, met: Mapping[str, Fault]) -> None:
        pace = met.get("slow")
        self._write(head, pace)
        if "endless" in met:
            self._write(b"1\r\n[\r\n", pace)
            self._repeat(body, met["endless"].amount, pace)
        elif "hang" in met:
            self._write(rest[: len(rest) // 2], pace)
            self._wait(met["hang"].amount)
        elif "reset" in met:
            self._write(rest[: int(len(rest) * met["reset"].amount)], pace)
            self.server.reset_at_end(self.connection)
        elif "truncated" in met:
            self._write(rest[: int(len(rest) * met["truncated"].amount)], pace)
        else:
            self._write(rest, pace)
            return
        raise HangUp

    def _write(self, text: bytes, pace: Fault | None) -> None:
        if pace is None:
            self.connection.sendall(text)
            return
        step = max(1, int(pace.amount / _PER_SECOND))
        for start in range(0, len(text), step):
            self.connection.sendall(text[start : start + step])
            if self.server.site.stopping.wait(1 / _PER_SECOND):
                raise HangUp

    def _repeat(self, body: bytes, seconds: float, pace: Fault | None) -> None:
        inner = (body[1:-1] if body.startswith(b"[") else b"") or b"0"
        chunk = (inner + b",") * (1 + _SMALL_BYTES // len(inner))
        end = monotonic() + seconds
        while monotonic() < end:
            self._write(b"%x\r\n%b\r\n" % (len(chunk), chunk), pace)

    def _stream(self, head: bytes, lines: Iterator[bytes]) -> None:
        self.connection.sendall(head)
        with closing(lines):  # type: ignore[type-var] # it is a generator
            for line in lines:
                if self._ended():
                    return
                if line:
                    self.connection.sendall(b"%x\r\n%b\r\n\r\n" % (len(line) + 2, line))

    def _wait(self, seconds: float) -> None:
        """Wait until the time is over or the client has gone."""
        end = monotonic() + seconds
        while monotonic() < end and not self._ended():
            self.server.site.stopping.wait(0.05)

    def _ended(self) -> bool:
        readable, _, _ = select.select([self.connection], [], [], 0)
        gone = bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)
        return gone or self.server.site.stopping.is_set()


_DELIVERIES: Final = frozenset({"slow", "hang", "reset", "truncated", "endless"})
"""The faults that spare the answer and spoil its way."""


def _shut_down(one: socket.socket) -> None:
    # It may have ended in the meantime.
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
