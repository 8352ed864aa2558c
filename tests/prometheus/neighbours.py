"""What stands around Prometheus in tests: exporters to be scraped, and a pager to be rung."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class _Quiet(BaseHTTPRequestHandler):
    def answer(self, body: str = "") -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (http.server's name)
        """Say nothing."""


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def exporter(metrics: str) -> Iterator[str]:
    """Expose `metrics` at the address given; `NOW` in them is the time of the scrape."""

    class Exporter(_Quiet):
        def do_GET(self) -> None:
            now = time.time()  # noqa: TID251 -- Prometheus reads the clock too
            self.answer(metrics.replace("NOW", str(now)))

    with _serving(Exporter) as address:
        yield address


@contextmanager
def pager(pages: list[dict[str, Any]]) -> Iterator[str]:
    """Add to `pages` what Alertmanager's web hook brings to the address given."""

    class Pager(_Quiet):
        def do_POST(self) -> None:
            pages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.answer()

    with _serving(Pager) as address:
        yield address
