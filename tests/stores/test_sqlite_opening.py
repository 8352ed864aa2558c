"""A SQLite file: several programs that open it at once, and transactions that fail."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

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
