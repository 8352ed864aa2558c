"""The fake KPIggybank as a value that tests and the command line hold."""

import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Final, Self

from fake_server.couchdb import CouchDB
from fake_server.crowd import Arrivals
from fake_server.faults import Faults
from fake_server.holdings import Holdings
from fake_server.mapped import Corpus
from fake_server.memory import Memory
from fake_server.server import Server
from fake_server.wsapi import DATA

BACKENDS: Final[Mapping[str, type[CouchDB] | type[Memory]]] = MappingProxyType(
    {"couchdb": CouchDB, "memory": Memory}
)


class FakeKpiggybank(Holdings):
    """Holdings on a real socket, which listens from `with` to its end.

    What it holds, and its address, outlive its death; `restart` brings it back.
    """

    def __init__(
        self,
        *,
        backend: str = "couchdb",
        faults: Iterable[str] = (),
        corpus: Path | None = None,
        arrivals: Arrivals | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        """Bind an address; start with a corpus, or empty."""
        opened = None if corpus is None else Corpus(corpus)
        if opened is not None and opened.backend != backend:
            raise ValueError(f"the corpus holds rows of the {opened.backend} backend")
        super().__init__(BACKENDS[backend](opened), arrivals)
        self._faults = Faults(faults)
        self._server = Server(self, self._faults, host=host, port=port)

    def __enter__(self) -> Self:
        """Listen."""
        self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close every connection and the port."""
        self._server.stop()

    @property
    def address(self) -> str:
        """`http://host:port`."""
        return self._server.address

    @property
    def url(self) -> str:
        """Where interactions are read: an exporter's `data_server.url`."""
        return self.address + DATA

    @property
    def alive(self) -> bool:
        """Whether it listens."""
        return self._server.listening

    @property
    def died(self) -> threading.Event:
        """Set when it died of a request, as the real one does."""
        return self._server.died

    @property
    def stats(self) -> dict[str, Any]:
        """Requests, rows and bytes by path, and the ranges that were asked for."""
        return self._server.traffic.as_json()

    def set_faults(self, *faults: str) -> None:
        """Set the faults that are on from now; see `fake_server.faults`."""
        self._faults.switch(faults)

    def die(self) -> None:
        """Stop at once: connections dropped, new ones refused."""
        self._server.die()

    def restart(self) -> None:
        """Listen again after a death."""
        self._server.start()
