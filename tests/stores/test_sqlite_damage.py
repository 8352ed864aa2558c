"""A damaged SQLite file: found, quarantined once, and never anybody else's."""

import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from exporter.domain.classify.evaluator import Evaluator
from exporter.ports import StoreDamagedError, StoreError
from exporter.stores.sqlite import SqliteStore, quarantine
from exporter.stores.sqlite.quarantine import MOST_KEPT
from testing.damaging import damage
from tests.builders import AT, batch, crowd, fewer_segments

SOME = batch(crowd(1, 200, AT - timedelta(days=2), AT), fewer_segments())
MORE = batch(crowd(2, 10, AT - timedelta(days=2), AT), fewer_segments())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path of a store that holds something, all of it in the file."""
    path = tmp_path / "kpi.db"
    store = SqliteStore(path)
    store.use_definitions(Evaluator(fewer_segments()))
    store.add(SOME, AT)
    store.close()
    return path


def beside(path: Path) -> set[str]:
    return {one.name for one in path.parent.iterdir()}


@contextmanager
def locked(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("pragma journal_mode = delete")
        other.execute("begin exclusive")
        yield


def test_reading_and_writing_a_damaged_file_say_so(path: Path) -> None:
    store = SqliteStore(path)
    store.use_definitions(Evaluator(fewer_segments()))
    damage(path)

    with pytest.raises(StoreDamagedError, match=r"kpi\.db cannot be read: .*malformed"):
        store.stats()
    with pytest.raises(StoreDamagedError, match=r"kpi\.db cannot be (read|written): .*malformed"):
        store.add(MORE, AT)
    store.close()


def test_a_damaged_file_is_kept_as_it_is_and_a_new_one_can_be_made(path: Path) -> None:
    damage(path)
    content = path.read_bytes()

    aside = quarantine(path)

    assert aside == path.with_name("kpi.db.damaged-1")
    assert aside.read_bytes() == content
    store = SqliteStore(path)
    assert store.stats().interactions == 0
    store.close()


def test_the_log_of_a_damaged_file_goes_with_it(path: Path) -> None:
    with closing(sqlite3.connect(path)) as reader:  # keeps the log from being taken back
        reader.execute("select count(*) from notes").fetchone()
        damage(path)

        quarantine(path)

        assert {f"kpi.db.damaged-1{suffix}" for suffix in ("", "-wal", "-shm")} == beside(path)


def test_a_file_that_is_whole_stays(path: Path) -> None:
    assert quarantine(path) is None
    assert beside(path) == {"kpi.db"}


def test_a_file_of_another_program_stays(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(os.urandom(10_000))

    with pytest.raises(StoreError, match="not a database"):
        SqliteStore(path)
    with pytest.raises(StoreError, match=r"photo\.jpg cannot be read as a store .* move it away"):
        quarantine(path)

    assert beside(path) == {"photo.jpg"}


def test_a_locked_file_is_not_taken_for_a_damaged_one(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[quarantine.__module__], "BUSY_TIMEOUT_SECONDS", 0.01)
    with locked(path), pytest.raises(StoreError, match=r"cannot be checked .* locked"):
        quarantine(path)
    assert quarantine(path) is None


def test_a_disk_that_damages_more_and_more_is_not_filled(path: Path) -> None:
    whole = path.read_bytes()
    for _ in range(MOST_KEPT):
        path.write_bytes(whole)
        damage(path)
        quarantine(path)
    path.write_bytes(whole)
    damage(path)

    with pytest.raises(StoreError, match=r"see to the disk, then move these away"):
        quarantine(path)

    assert len(beside(path)) == MOST_KEPT + 1
