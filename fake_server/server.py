"""KPIggybank's wire over a real socket, and the switches of the fake under `/fake/`.

===========================  ==============================================================
``GET  /fake/stats``         requests, rows and bytes by path, the ranges asked for last, and
                             how many blobs are stored
``GET  /fake/faults``        the faults that are on, as a JSON list
``POST /fake/faults``        such a list: have these on, and no others
``GET  /fake/truth``         the right counts of what is held now (`fake_server.truth`)
``GET  /fake/truth?since=S&until=U``  the same over the whole hours of a window, as one tally
``POST /fake/clock``         ``{"now": TIME}``: let time go on, and what is due arrive
===========================  ==============================================================

Times are ISO 8601; UTC where they do not say otherwise. Faults do not touch these paths.
"""

import json
import queue
import select
import socket
import struct
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from fake_server.corpus import Run
from fake_server.faults import GARBAGE, Fault, Faults, change_rows, changes_rows
from fake_server.incidents import instant
from fake_server.store import BackendDied, Store

DATA: Final = "/wsapi/interaction_data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is sent back."""

    status: int = 200
    body: bytes = b""
    rows: int = 0
    headers: tuple[tuple[str, str], ...] = ()


class Server:
    """Listens, answers, counts. Can stop listening and begin again on the same address."""

    def __init__(
        self,
        store: Store,
        faults: Faults,
        lock: "threading.RLock",
        *,
        host: str,
        port: int,
        advance: Callable[[datetime], int],
        post: Callable[[Iterable[Mapping[str, Any]]], None],
        truth: Callable[[datetime | None, datetime | None], dict[str, Any]],
    ) -> None:
        """Take the address, and refuse connections until `start`; `lock` guards the store."""
        self.store = store
        self.faults = faults
        self.lock = lock
        self.advance = advance
        self.post = post
        self.truth = truth
        self.died = threading.Event()
        self.stopping = threading.Event()
        self._switch = threading.RLock()
        self._listener: _Listener | None = None
        self._bound = _Listener((host, port), self)
        self._host, self._port = self._bound.server_address[:2]
        self._counts_lock = threading.Lock()
        self._requests: Counter[str] = Counter()
        self._rows: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()
        self._ranges: deque[tuple[str | None, str | None]] = deque(maxlen=1000)
        self._changes = 0
        self._streams: list[queue.SimpleQueue[bytes]] = []

    @property
    def address(self) -> str:
        """`http://host:port`."""
        return f"http://{self._host!s}:{self._port}"

    @property
    def listening(self) -> bool:
        """Whether connections are accepted."""
        return self._listener is not None

    def start(self) -> None:
        """Accept connections."""
        with self._switch:
            if self._listener is not None or self.stopping.is_set():
                return
            self.died.clear()
            listener = self._listener = self._bound
            listener.server_activate()
            threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True).start()

    def die(self) -> None:
        """Drop every connection and refuse new ones, but keep the port from others."""
        with self._switch:
            if self._listener is None:
                return
            self._close(self._listener)
            self._listener = None
            self._bound = _Listener((str(self._host), self._port), self)

    def blink(self, seconds: float) -> None:
        """Die, and be back after a while."""
        self.die()
        timer = threading.Timer(seconds, self.start)
        timer.daemon = True
        timer.start()

    def stop(self) -> None:
        """Die for good."""
        with self._switch:
            self.stopping.set()
            self.die()
            self._bound.server_close()

    def _close(self, listener: "_Listener") -> None:
        listener.shutdown()
        listener.server_close()
        listener.drop_connections()

    def publish(self, change: Callable[[], bytes]) -> None:
        """Tell the streams of a change, if there are any and they still speak."""
        self._changes += self.listening
        limit = self.store.changes_streamed
        if not self._streams or (limit is not None and self._changes > limit):
            return
        line = change()
        for stream in self._streams:
            stream.put(line)

    def subscribe(self) -> "queue.SimpleQueue[bytes]":
        """A queue of the changes from now on."""
        stream: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        with self.lock:
            self._streams.append(stream)
        return stream

    def unsubscribe(self, stream: "queue.SimpleQueue[bytes]") -> None:
        """No more changes for a queue."""
        with self.lock:
            self._streams.remove(stream)

    def note_request(self, path: str) -> int:
        """Count a request, and say how many of the same path came before."""
        with self._counts_lock:
            self._requests[path] += 1
            return self._requests[path] - 1

    def note_range(self, start: str | None, end: str | None) -> None:
        """Remember what was asked for."""
        with self._counts_lock:
            self._ranges.append((start, end))

    def note_answer(self, path: str, answer: Answer) -> None:
        """Count what is sent."""
        with self._counts_lock:
            self._rows[path] += answer.rows
            self._bytes[path] += len(answer.body)

    def stats(self) -> dict[str, Any]:
        """What `GET /fake/stats` says."""
        with self.lock, self._counts_lock:
            return {
                "stored": len(self.store),
                "requests": dict(self._requests),
                "rows": dict(self._rows),
                "bytes": dict(self._bytes),
                "ranges": [list(one) for one in self._ranges],
            }


class _Listener(ThreadingHTTPServer):
    """A listening socket and the connections that it accepted."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], owner: Server) -> None:
        super().__init__(address, _Handler, bind_and_activate=False)
        self.owner = owner
        self._connections: set[socket.socket] = set()
        self._resets: set[socket.socket] = set()
        self.server_bind()

    def server_bind(self) -> None:
        """Take the address without asking the name service for the host's name."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        if request in self._resets:
            self._resets.discard(request)
            request.close()
        else:
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is gone is none of the server's business."""

    def reset(self, connection: socket.socket) -> None:
        """Let closing a connection reset it."""
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._resets.add(connection)

    def drop_connections(self) -> None:
        """End them, whatever they are waiting for."""
        for connection in list(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                # It was closed in the meantime.
                continue


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Listener

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _serve(self) -> None:
        owner = self.server.owner
        url = urlsplit(self.path)
        parameters = {name: values[0] for name, values in parse_qs(url.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if url.path.startswith("/fake/"):
            self._send(_switches(owner, self.command, url.path, parameters, body), {})
            return
        before = owner.note_request(url.path)
        request, met = owner.faults.meet()
        if "restarting" in met and request % 3 == 2:
            self.close_connection = True
            owner.blink(met["restarting"].amount)
            return
        if "silent" in met:
            self._wait(met["silent"].amount)
            self.close_connection = True
            return
        if url.path == f"{DATA}/stream" and self.command == "GET":
            self._stream(owner)
            return
        try:
            answer = _broken(met, before) or _wsapi(
                owner, self.command, url.path, parameters, body, met, before
            )
        except BackendDied:
            self.close_connection = True
            owner.died.set()
            owner.die()
            return
        owner.note_answer(url.path, answer)
        self._send(answer, met)

    def _send(self, answer: Answer, met: Mapping[str, Fault]) -> None:
        body = answer.body
        if "cut" in met:
            body = body[: int(len(body) * met["cut"].amount)]
        head = self._head(answer)
        if self.request_version == "HTTP/1.0":
            self.close_connection = True
            parts = [body]
        else:
            # One chunk, as Node writes a body that it has in one piece.
            parts = [b"%x\r\n" % len(body), body, b"\r\n0\r\n\r\n"] if body else [b"0\r\n\r\n"]
        try:
            self._deliver(head, parts, body, met)
        except OSError:
            # The client went away.
            self.close_connection = True

    def _head(self, answer: Answer) -> bytes:
        lines = [f"HTTP/1.1 {answer.status} {_reason(answer.status)}", "X-Powered-By: Express"]
        lines += [f"{name}: {value}" for name, value in answer.headers]
        if self.request_version == "HTTP/1.0":
            lines.append("Connection: close")
        else:
            lines += ["Connection: keep-alive", "Transfer-Encoding: chunked"]
        return "\r\n".join((*lines, "", "")).encode()

    def _deliver(
        self, head: bytes, parts: list[bytes], body: bytes, met: Mapping[str, Fault]
    ) -> None:
        if met.keys().isdisjoint(_DELIVERIES):
            if len(body) < 65_536:
                parts = [b"".join((head, *parts))]
            else:
                self.connection.sendall(head)
            for part in parts:
                self.connection.sendall(part)
            return
        pace = met.get("slow")
        self._write(head, pace)
        whole = b"".join(parts)
        if "endless" in met:
            self.close_connection = True
            self._endless(body, met["endless"].amount, pace)
            return
        for name in ("hang", "reset", "truncated"):
            if name not in met:
                continue
            share = 0.5 if name == "hang" else met[name].amount
            self._write(whole[: int(len(whole) * share)], pace)
            self.close_connection = True
            if name == "hang":
                self._wait(met[name].amount)
            elif name == "reset":
                self.server.reset(self.connection)
            return
        self._write(whole, pace)

    def _write(self, text: bytes, pace: Fault | None) -> None:
        if pace is None:
            self.connection.sendall(text)
            return
        step = max(1, int(pace.amount / 20))
        for start in range(0, len(text), step):
            self.connection.sendall(text[start : start + step])
            if self.server.owner.stopping.wait(0.05):
                return

    def _endless(self, body: bytes, seconds: float, pace: Fault | None) -> None:
        inner = (body[1:-1] if body[:1] == b"[" else b"") or b"0"
        chunk = (inner + b",") * (1 + 65_536 // len(inner))
        self._write(b"1\r\n[\r\n", pace)
        end = monotonic() + seconds
        while monotonic() < end and not self.server.owner.stopping.is_set():
            self._write(b"%x\r\n%b\r\n" % (len(chunk), chunk), pace)

    def _wait(self, seconds: float) -> None:
        """Do nothing until the time is over, the server stops or the client goes away."""
        end = monotonic() + seconds
        while (left := end - monotonic()) > 0:
            readable, _, _ = select.select([self.connection], [], [], min(left, 0.2))
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                return
            if self.server.owner.stopping.wait(0.05 if readable else 0):
                return

    def _stream(self, owner: Server) -> None:
        self.close_connection = True
        lines = owner.subscribe()
        try:
            self.connection.sendall(self._head(Answer()))
            while not owner.stopping.is_set():
                readable, _, _ = select.select([self.connection], [], [], 0)
                if readable and not self.connection.recv(1, socket.MSG_PEEK):
                    return
                try:
                    line = lines.get(timeout=0.1) + b"\r\n"
                except queue.Empty:
                    continue
                self.connection.sendall(b"%x\r\n%b\r\n" % (len(line), line))
        except OSError:
            # The client went away.
            return
        finally:
            owner.unsubscribe(lines)


_DELIVERIES: Final = frozenset({"slow", "hang", "reset", "truncated", "endless"})
_HTML: Final = (("Content-Type", "text/html; charset=utf-8"),)
_JSON: Final = (("Content-Type", "application/json"),)


def _wsapi(
    owner: Server,
    method: str,
    path: str,
    parameters: Mapping[str, str],
    body: bytes,
    met: Mapping[str, Fault],
    before: int,
) -> Answer:
    if (method, path) == ("POST", DATA):
        return _posted(owner, body)
    with owner.lock:
        match method, path:
            case "GET", "/wsapi/ping":
                return Answer(body=b"pong")
            case "GET", "/wsapi/interaction_data" if "id" in parameters:
                return Answer(body=owner.store.one(parameters["id"]), rows=1)
            case "GET", "/wsapi/interaction_data":
                start, end = parameters.get("start"), parameters.get("end")
                owner.note_range(start, end)
                found = owner.store.between(start, end)
            case "GET", "/wsapi/interaction_data/count":
                return _count(owner.store, met, before)
            case "GET", "/wsapi/interaction_data/last":
                return Answer(body=owner.store.last(), rows=1)
            case _:
                return Answer(status=404, body=f"Cannot {method} {path}".encode(), headers=_HTML)
    # Joining many rows takes a while, and nobody need wait for it.
    if changes_rows(met):
        rows = change_rows(_split(found), met, request=before)
        return Answer(body=b"[%b]" % b",".join(rows), rows=len(rows))
    texts = (one.text if isinstance(one, Run) else one for one in found)
    return Answer(
        body=b"".join((b"[", b",".join(texts), b"]")),
        rows=sum(len(one) if isinstance(one, Run) else 1 for one in found),
    )


def _split(found: Iterable[Run | bytes]) -> Iterable[bytes]:
    for one in found:
        if isinstance(one, Run):
            yield from one.split()
        else:
            yield one


def _count(store: Store, met: Mapping[str, Fault], before: int) -> Answer:
    count = store.count()
    if count is None:
        return Answer(status=500)
    if "shrinking" in met:
        rows = list(_split(store.between(None, None)))
        only = {"shrinking": met["shrinking"]}
        count -= len(rows) - len(change_rows(rows, only, request=before))
    if "wrong-count" in met:
        amount = int(met["wrong-count"].amount)
        count = max(0, count + (-amount if before % 2 else amount))
    return Answer(body=str(count).encode())


def _broken(met: Mapping[str, Fault], before: int) -> Answer | None:
    for fault in met.values():
        if fault.status is not None:
            return Answer(status=fault.status)
    if "redirect" in met:
        return Answer(status=302, headers=(("Location", f"http://elsewhere.invalid{DATA}"),))
    if "garbage" in met:
        return Answer(body=GARBAGE[before % 2], headers=() if before % 2 else _HTML)
    return None


def _posted(owner: Server, body: bytes) -> Answer:
    field = parse_qs(body.decode(errors="replace")).get("data")
    if not field:
        return _said(400, "Malformed POST, unable to parse JSON.")
    try:
        posted = json.loads(field[0], parse_constant=_refuse)
    except (ValueError, RecursionError):
        return _said(400, "JSON syntax error")
    blobs = posted if isinstance(posted, list) else [posted]
    if not blobs or not isinstance(blobs[0], dict) or not blobs[0].get("timestamp"):
        return _said(400, "invalid")
    # Only the first was looked at: those that can be stored are, and one that cannot is an error.
    owner.post(blob for blob in blobs if isinstance(blob, dict))
    if not all(isinstance(blob, dict) for blob in blobs):
        return _said(400, "invalid")
    return _said(201, "ok")


def _said(status: int, text: str) -> Answer:
    return Answer(status=status, body=text.encode(), headers=_HTML)


def _refuse(constant: str) -> float:
    raise ValueError(constant)


def _switches(
    owner: Server, method: str, path: str, parameters: Mapping[str, str], body: bytes
) -> Answer:
    try:
        match method, path:
            case "GET", "/fake/stats":
                said: object = owner.stats()
            case "GET", "/fake/faults":
                said = owner.faults.written()
            case "POST", "/fake/faults":
                owner.faults.switch(json.loads(body))
                said = owner.faults.written()
            case "GET", "/fake/truth":
                since, until = (
                    instant(parameters[name]) if name in parameters else None
                    for name in ("since", "until")
                )
                said = owner.truth(since, until)
            case "POST", "/fake/clock":
                said = {"arrived": owner.advance(instant(json.loads(body)["now"]))}
            case _:
                return Answer(status=404, headers=_JSON, body=b'{"error":"no such switch"}')
    except (ValueError, KeyError, TypeError) as error:
        wrong = json.dumps({"error": f"{type(error).__name__}: {error}"})
        return Answer(status=400, headers=_JSON, body=wrong.encode())
    return Answer(headers=_JSON, body=json.dumps(said).encode())


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
