"""A process that imports rows into a store and may be killed: ``importing.py URL SEED``.

Says `imported N` for each portion that the store took, so that a test knows where it is.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from exporter.config import load
from exporter.domain.classify.evaluator import Evaluator
from exporter.ports import Store
from exporter.stores.couchdb import CouchdbStore
from exporter.stores.sqlite import SqliteStore
from tests.stores.rows import NOW, batch, blob, some

PORTION = 60


def rows() -> Sequence[tuple[str, bytes]]:
    """What every such process imports: of all kinds, over a month's end, some of it changed."""
    plain = some(600, first="2026-10-30")
    changed = [(id_, blob("2026-11-01T07:00", "screen.rp_info")) for id_, _ in plain[300:310]]
    return [*plain, ("empty", blob("2026-11-01")), ("broken", b"{"), *changed]


def opened(url: str) -> Store:
    scheme, _, rest = url.partition(":")
    return SqliteStore(Path(rest)) if scheme == "sqlite" else CouchdbStore(url)


def main(url: str) -> None:
    evaluator = Evaluator(load("data_server: {url: 'http://127.0.0.1:3435/'}", {}).definitions)
    store = opened(url)
    store.use_definitions(evaluator)
    every = rows()
    for start in range(0, len(every), PORTION):
        added = store.add(batch(evaluator, every[start : start + PORTION]), NOW)
        print("imported", added.imported, flush=True)  # noqa: T201 -- read by the test
    store.close()


if __name__ == "__main__":
    main(sys.argv[1])
