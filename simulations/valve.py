"""A pipe between two programs that a test can pinch: what goes in stays in, nobody is told."""

import socket
import struct
import threading
from contextlib import suppress

NO_LINGER = struct.pack("ii", 1, 0)
"""Of SO_LINGER: the socket ends with a reset."""


class Valve:
    """Passes TCP connections on to an address while it is open, and how they end.

    Shut, it takes connections and bytes and gives nothing back, as a firewall does that has
    forgotten them: half-open to either side. Away, there is nobody at its port. Slow, it holds
    each piece back for a while.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = _bound(0)
        self.port: int = self._listener.getsockname()[1]
        self._open = threading.Event()
        self._closed = threading.Event()
        self._delay_seconds = 0.0
        self._pinched: set[socket.socket] = set()
        self._passing: set[socket.socket] = set()
        self._reset: set[socket.socket] = set()
        self._is_away = True
        self.open()

    @property
    def address(self) -> str:
        """`http://host:port` on this side."""
        return f"http://127.0.0.1:{self.port}"

    def shut(self) -> None:
        """Let nothing through from now on; connections that there are stay half-open for good."""
        self._open.clear()

    def go_away(self) -> None:
        """Drop every connection, and refuse new ones. The port stays taken."""
        self._is_away = True
        _end(self._listener)
        self._listener = _bound(self.port)
        for one in list(self._passing):
            _end(one)

    def slow_down(self, delay_seconds: float) -> None:
        """Hold each piece back for so long."""
        self._delay_seconds = delay_seconds

    def open(self) -> None:
        """Let new connections through, at once."""
        self._delay_seconds = 0.0
        self._open.set()
        if self._is_away:
            self._is_away = False
            self._listener.listen()
            threading.Thread(target=self._listen, args=(self._listener,), daemon=True).start()

    def close(self) -> None:
        """Drop everything and give the port back."""
        self._closed.set()
        for one in self._pinched | self._passing | {self._listener}:
            _end(one)

    def _listen(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        if not self._open.is_set():
            self._pinched.add(client)
            return
        try:
            server = socket.create_connection(self._target, timeout=5)
        except OSError:
            _end(client)
            return
        server.settimeout(None)
        self._passing |= {client, server}
        threading.Thread(target=self._pass, args=(server, client), daemon=True).start()
        self._pass(client, server)

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        reset = False
        with suppress(OSError):  # the other direction has ended both
            reset = not self._passed_to_its_end(source, sink)
        if not self._open.is_set():
            self._pinched |= {source, sink}
            return
        if reset:
            self._reset_at_end(sink)
        for one in (source, sink):
            self._passing.discard(one)
            if one in self._reset:  # a polite end first would make the reset pass unnoticed
                one.close()
            else:
                _end(one)

    def _passed_to_its_end(self, source: socket.socket, sink: socket.socket) -> bool:
        """Pass on what comes, until it ends or nothing gets through; False if it was reset."""
        try:
            while piece := source.recv(65_536):
                self._closed.wait(self._delay_seconds)
                if not self._open.is_set():
                    break
                sink.sendall(piece)
        except ConnectionResetError:
            return False
        return True

    def _reset_at_end(self, one: socket.socket) -> None:
        with suppress(OSError):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            self._reset.add(one)
            one.shutdown(socket.SHUT_RD)  # wakes the thread that waits for it, and sends nothing


def _bound(port: int) -> socket.socket:
    """Take a port; connections are refused until somebody listens."""
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    taken.bind(("127.0.0.1", port))
    return taken


def _end(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
