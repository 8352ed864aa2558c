"""Where a store lies: it can be opened there, again and again, and removed after a test."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import requests

from exporter.ports import Store, StoreError
from exporter.stores.couchdb import CouchdbStore
from exporter.stores.sqlite import SqliteStore
from testing.waiting import WAIT_SECONDS


@dataclass(slots=True)
class Place:
    """A place for one store; every store opened there is closed by `leave`."""

    url: str
    make: Callable[[], Store]
    remove: Callable[[], None]
    opened: list[Store] = field(default_factory=list)

    def open(self) -> Store:
        """Open the store, as a process that starts would."""
        store = self.make()
        self.opened.append(store)
        return store

    def leave(self) -> None:
        for store in self.opened:
            with suppress(StoreError):
                store.close()
        self.remove()


def sqlite_place(path: Path) -> Place:
    return Place(f"sqlite:{path}", lambda: SqliteStore(path), lambda: path.unlink(missing_ok=True))


def couchdb_place(server: str, name: str) -> Place:
    """A place on the CouchDB (or pouchdb-server) at an http address."""
    url = server.replace("http", "couchdb", 1) + f"/{name}"
    return Place(url, lambda: CouchdbStore(url), lambda: drop_databases(server, name))


def databases(server: str, name: str) -> list[str]:
    """The databases on a server that belong to the store of that name."""
    every: list[str] = requests.get(f"{server}/_all_dbs", timeout=WAIT_SECONDS).json()
    return sorted(each for each in every if each.startswith(f"{name}-"))


def drop_databases(server: str, name: str) -> None:
    for each in databases(server, name):
        requests.delete(f"{server}/{each}", timeout=WAIT_SECONDS)


def documents(server: str, database: str) -> list[dict[str, object]]:
    """All documents of a database but the design documents."""
    answer = requests.get(f"{server}/{database}/_all_docs?include_docs=true", timeout=WAIT_SECONDS)
    rows = [row["doc"] for row in answer.json()["rows"]]
    return [doc for doc in rows if not doc["_id"].startswith("_design/")]


def host_of(server: str) -> tuple[str, int]:
    parts = urlsplit(server)
    return parts.hostname or "", parts.port or 5984
