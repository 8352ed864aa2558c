"""The example sign-in page, and a small server for it: for trying, not for use."""

from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from threading import Thread

_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/interactions.js": ("interactions.js", "text/javascript; charset=utf-8"),
}
_SAME_ORIGIN = "/wsapi/interaction_data"


class SignInPage:
    """Serves the page on a free port of this machine; `origin` is what browsers call it."""

    def __init__(self) -> None:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self.origin = f"http://127.0.0.1:{self._server.server_port}"

    def start(self, collector: str) -> None:
        """Serve, with this address to post interactions to."""
        self._server.collector = collector
        Thread(target=self._server.serve_forever, name="sign-in page", daemon=True).start()


class _Server(ThreadingHTTPServer):
    collector = _SAME_ORIGIN


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        name, kind = _FILES.get(self.path.partition("?")[0], ("", ""))
        if not name:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        text = resources.files(__name__).joinpath(name).read_text("utf-8")
        body = text.replace(f'"{_SAME_ORIGIN}"', f'"{self.server.collector}"').encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing: it is a demonstration's page."""
