"""A server that answers each connection with the bytes that a test wants to see arrive."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from exporter.domain.interaction import Row
from exporter.exchange import Client
from exporter.ports import Source
from exporter.sources.kpiggybank import Kpiggybank

NOON = datetime(2013, 7, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
Script: TypeAlias = Callable[[socket.socket], None]
"""What to do on a connection whose request has been read; it is closed afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """Where it listens, and the heads of the requests that came, counts apart."""

    url: str
    requests: list[str] = field(default_factory=list)
    counts: list[str] = field(default_factory=list)


@contextmanager
def serving(script: Script, *, count: Script | None = None) -> Iterator[Wire]:
    """Answer by a script until the block ends; one request a connection.

    Counts have a script of their own: without one, they are answered with a number.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        wire = Wire(url=f"http://127.0.0.1:{port}/wsapi/interaction_data")

        def listen() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    threading.Thread(target=answer, args=(connection,), daemon=True).start()

        def answer(connection: socket.socket) -> None:
            with suppress(OSError), connection:
                head = b""
                while b"\r\n\r\n" not in head:
                    if not (more := connection.recv(65_536)):
                        return
                    head += more
                line = head.partition(b"\r\n")[0]
                if b"/count " in line:
                    wire.counts.append(head.decode())
                    (count or plain(b"7"))(connection)
                else:
                    wire.requests.append(head.decode())
                    script(connection)

        threading.Thread(target=listen, daemon=True).start()
        yield wire
        listener.shutdown(socket.SHUT_RDWR)


def plain(body: bytes, status: str = "200 OK", headers: str = "") -> Script:
    """Answer whole."""
    head = f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return lambda connection: connection.sendall(head.encode() + body)


def source(url: str, *, seconds: float = 5, **headers: str) -> Kpiggybank:
    return Kpiggybank(
        url,
        timeout=timedelta(seconds=seconds),
        client=Client(headers=headers),
        pause=lambda _: None,
    )


def fetched(one: Source, start: datetime = NOON - HOUR, end: datetime | None = NOON) -> list[Row]:
    """All rows of a range."""
    return [row for rows in one.fetch(start, end) for row in rows]
