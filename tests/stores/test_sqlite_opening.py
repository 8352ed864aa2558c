"""A SQLite file: several programs that open it at once, and transactions that fail."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from exporter.ports import StoreDamagedError
from exporter.stores.sqlite.store import SqliteStore

AT_ONCE = 8


def test_several_may_open_a_new_file_at_once(tmp_path: Path) -> None:
    for attempt in range(5):
        path = tmp_path / f"{attempt}.db"
        ready = Barrier(AT_ONCE)

        def opened(path: Path = path, ready: Barrier = ready) -> None:
            ready.wait()
            store = SqliteStore(path)
            assert store.stats().interactions == 0
            store.close()

        with ThreadPoolExecutor(AT_ONCE) as programs:
            for each in [programs.submit(opened) for _ in range(AT_ONCE)]:
                each.result()


def test_nobody_else_reads_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "kpi.db"
    store = SqliteStore(path)
    store.remember("name", "value")

    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}
    assert len(list(tmp_path.iterdir())) == 3  # its log and index too

    store.close()
    path.chmod(0o640)
    SqliteStore(path).close()
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("replaced", [False, True], ids=["deleted", "replaced"])
def test_a_file_that_is_gone_is_neither_read_nor_written_nor_made(
    tmp_path: Path, *, replaced: bool
) -> None:
    path = tmp_path / "kpi.db"
    store = SqliteStore(path)
    if replaced:
        path.rename(tmp_path / "other.db")
        SqliteStore(path).close()
    else:
        path.unlink()

    with pytest.raises(StoreDamagedError, match=r"kpi\.db was deleted, or replaced"):
        store.remember("name", "value")
    with pytest.raises(StoreDamagedError, match=r"kpi\.db was deleted, or replaced"):
        store.stats()
    assert path.exists() == replaced
    store.close()
