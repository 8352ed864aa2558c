"""A proxy before CouchDB's API that loses, delays and alters answers as a test asks.

What CouchDB does and pouchdb-server does not (202, lock-out, errors inside a 200, 413, 507) is
said in its place, in the words that `docs/how-to/couchdb.md` describes.
"""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from urllib3 import HTTPConnectionPool, connection_from_url, make_headers
from urllib3.util import parse_url

from testing.waiting import WAIT_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request on its way; `number` counts them from 0."""

    number: int
    method: str
    path: str
    body: bytes

    @property
    def is_bulk(self) -> bool:
        return "/_bulk_docs" in self.path


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    body: bytes = b""
    kind: str | None = "application/json"
    chunked: bool = False


LOST = "lost"  # the request arrives, its answer does not
DROPPED = "dropped"  # the request never arrives
HANGS = "hangs"  # no answer as long as the proxy lives
What = Answer | str | None
Rule = Callable[[Request], What]
Alter = Callable[[Request, Answer], Answer]


def error(status: int, name: str, reason: str) -> Answer:
    return Answer(status=status, body=json.dumps({"error": name, "reason": reason}).encode())


@dataclass
class Proxy:
    """Forwards to `upstream` unless `rule` says otherwise; `alter` may change good answers."""

    upstream: str
    url: str = ""
    rule: Rule = lambda _: None
    alter: Alter = lambda _, answer: answer
    seen: list[Request] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    closing: threading.Event = field(default_factory=threading.Event)

    def behave(self) -> None:
        """Forward everything from now on."""
        self.rule = lambda _: None
        self.alter = lambda _, answer: answer

    def count(self, method: str, path: str, body: bytes) -> Request:
        with self.lock:
            request = Request(number=len(self.seen), method=method, path=path, body=body)
            self.seen.append(request)
            return request

    def forward(self, pool: HTTPConnectionPool, request: Request) -> Answer:
        came = pool.urlopen(
            request.method,
            request.path,
            request.body,
            {
                "Content-Type": "application/json",
                "Accept": "application/json",
                **make_headers(basic_auth=parse_url(self.upstream).auth),
            },
            retries=False,
            redirect=False,
            timeout=WAIT_SECONDS,
        )
        return Answer(status=came.status, body=came.data, kind=came.headers.get("content-type"))


@contextmanager
def proxied(upstream: str) -> Iterator[Proxy]:
    """Run a proxy on a free port until the block ends."""
    proxy = Proxy(upstream)
    server = _Server(proxy)
    proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield proxy
    finally:
        proxy.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, proxy: Proxy) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.proxy = proxy

    def handle_error(self, *_: Any) -> None:
        """Say nothing: connections are broken on purpose."""


class _Handler(BaseHTTPRequestHandler):
    server: "_Server"
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.pool = connection_from_url(self.server.proxy.upstream)

    def answer(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        proxy = self.server.proxy
        request = proxy.count(self.command, self.path, self.rfile.read(length))
        what = proxy.rule(request)
        if what == HANGS:
            proxy.closing.wait()
        if what == LOST:
            proxy.forward(self.pool, request)
        if isinstance(what, str):
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send(what or proxy.alter(request, proxy.forward(self.pool, request)))

    def send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        if answer.kind is not None:
            self.send_header("Content-Type", answer.kind)
        if answer.chunked:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(answer.body), answer.body))
            return
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer  # noqa: N815 -- their names

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def finish(self) -> None:
        self.pool.close()
        with suppress(OSError):  # the client is gone
            super().finish()
