"""What the endless response tells its readers."""

import queue
import threading
from collections.abc import Callable, Iterator

_PAUSE_SECONDS = 0.1


class ChangeFeed:
    """New blobs, to those who listen."""

    def __init__(self, *, limit: int | None) -> None:
        """Start a feed that falls silent after N changes, as the real one does with CouchDB 2."""
        self._left = limit
        self._lock = threading.Lock()
        self._readers: list[queue.SimpleQueue[bytes]] = []

    def publish(self, line: Callable[[], bytes]) -> None:
        """Publish a change; the line is made only if somebody reads it."""
        with self._lock:
            if not self._readers or self._left == 0:
                return
            if self._left is not None:
                self._left -= 1
            text = line()
            for reader in self._readers:
                reader.put(text)

    def subscribe(self) -> Iterator[bytes]:
        """Yield the changes from now on, and an empty one now and then while there are none."""
        reader: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        with self._lock:
            self._readers.append(reader)
        return self._read(reader)

    def _read(self, reader: "queue.SimpleQueue[bytes]") -> Iterator[bytes]:
        try:
            # The first pause starts this generator, so that closing it gets to `finally`.
            yield b""
            while True:
                try:
                    yield reader.get(timeout=_PAUSE_SECONDS)
                except queue.Empty:
                    yield b""
        finally:
            with self._lock:
                self._readers.remove(reader)
