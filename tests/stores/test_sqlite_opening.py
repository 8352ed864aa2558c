"""A SQLite file: several programs that open it at once, and transactions that fail."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from exporter.ports import StoreError
from exporter.stores.sqlite.database import Database, note, remember
from exporter.stores.sqlite.store import SqliteStore

AT_ONCE = 8


def test_several_may_open_a_new_file_at_once(tmp_path: Path) -> None:
    for attempt in range(5):
        path = tmp_path / f"{attempt}.db"
        ready = Barrier(AT_ONCE)

        def opened(path: Path = path, ready: Barrier = ready) -> None:
            ready.wait()
            store = SqliteStore(path)
            store.check()
            store.close()

        with ThreadPoolExecutor(AT_ONCE) as programs:
            for each in [programs.submit(opened) for _ in range(AT_ONCE)]:
                each.result()


def test_a_transaction_that_could_not_be_taken_back_hinders_no_later_one(tmp_path: Path) -> None:
    """As out of memory, where the rollback fails like all else."""
    file = Database(tmp_path / "kpi.db")

    def break_off() -> None:
        with file.transaction() as db:
            remember(db, "half", "stored")
            db.set_authorizer(lambda action, *_: action == sqlite3.SQLITE_TRANSACTION)
            broken.append(db)
            raise ValueError("something is wrong")

    broken: list[sqlite3.Connection] = []
    with pytest.raises(StoreError):
        break_off()
    broken[0].set_authorizer(None)

    with file.transaction() as db:
        assert note(db, "half") is None
    file.close()
