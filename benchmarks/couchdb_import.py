"""Import into CouchDB, against bare `_bulk_docs` of the very same documents.

Each run writes to an empty pouchdb-server that it starts, or to the CouchDB that
KPI_TEST_COUCHDB_URL names. The import ends when the KPIs of a 30-day window have been read, the
floor with the last answer. The floor is the best of several batch sizes and concurrencies.

    python -m benchmarks.couchdb_import --rows 200000 --runs 5
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import uuid4

import requests

from benchmarks.couchdb import END, couchdb, portions_of
from exporter.config import load
from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.windows import hour_of
from exporter.ports import Batch
from exporter.stores.couchdb import CouchdbStore
from exporter.stores.couchdb.documents import Entry, encoded

DAYS = 30
START = END - timedelta(days=DAYS)
FLOORS = ((500, 1), (500, 2), (1_000, 2))  # documents, connections
THE_SAME = "0" * 20  # stands for a batch's id: as long, so that documents are as large


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One line of the table: how long the import took, and its floor, for so many rows."""

    name: str
    rows: int
    seconds: float
    floor_seconds: float
    floor: str

    @property
    def ratio(self) -> float:
        """The import's time as a multiple of the floor's."""
        return self.seconds / self.floor_seconds


def run(*, rows: int = 200_000, runs: int = 5) -> list[Measured]:
    """Measure the import and the floors, one after the other in each run; medians."""
    evaluator = Evaluator(load("data_server: {url: 'http://127.0.0.1:3435/'}", {}).definitions)
    portions = list(portions_of(evaluator, START, END, per_day=rows / DAYS))
    total = sum(len(p.interactions) + len(p.ignored) for p in portions)
    imports: list[float] = []
    floors: dict[tuple[int, int], list[float]] = {floor: [] for floor in FLOORS}
    for _ in range(runs):
        imports.append(_timed(lambda server: _import(server, evaluator, portions)))
        for size, connections in FLOORS:
            documents = _documents(portions, size)
            floors[size, connections].append(
                _timed(partial(_write_bare, bodies=documents, connections=connections))
            )
    medians = {floor: statistics.median(seconds) for floor, seconds in floors.items()}
    (size, connections), floor_seconds = min(medians.items(), key=lambda item: item[1])
    return [
        Measured(
            name="import into CouchDB, KPIs read",
            rows=total,
            seconds=statistics.median(imports),
            floor_seconds=floor_seconds,
            floor=f"_bulk_docs of {size}, {connections} at once",
        )
    ]


def _documents(portions: Sequence[Batch], size: int) -> list[bytes]:
    """Write the bodies of bulk writes."""
    documents = [
        encoded(entry, THE_SAME)
        for portion in portions
        for entry in (
            *(Entry(row.id, row.id, row.timestamp_ms, row.raw) for row in portion.interactions),
            *(Entry(row.id, row.id, row.timestamp_ms, b"") for row in portion.ignored),
        )
    ]
    return [
        b'{"docs":[' + b",".join(documents[start : start + size]) + b"]}"
        for start in range(0, len(documents), size)
    ]


def _import(server: str, evaluator: Evaluator, portions: Sequence[Batch]) -> None:
    url = server.replace("http", "couchdb", 1) + f"/bench_{uuid4().hex[:8]}"
    with closing(CouchdbStore(url)) as store:
        store.use_definitions(evaluator)
        for portion in portions:
            store.add(portion, END)
        end = hour_of(END) + 1
        sums = list(store.total(end - 24 * DAYS, end))
        if not sums:
            raise RuntimeError("nothing was counted")


def _write_bare(server: str, bodies: Sequence[bytes], connections: int) -> None:
    database = f"{server}/bench_{uuid4().hex[:8]}"
    session = requests.Session()
    session.put(database, timeout=60).raise_for_status()

    def write(body: bytes) -> None:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        answer = session.post(f"{database}/_bulk_docs", data=body, headers=headers, timeout=60)
        answer.raise_for_status()
        if any("error" in row for row in answer.json()):
            raise RuntimeError("a document was not stored")

    with ThreadPoolExecutor(connections) as threads:
        list(threads.map(write, bodies))


def _timed(work: Callable[[str], None]) -> float:
    with couchdb() as server:
        began = time.perf_counter()
        work(server)
        return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    options = parser.parse_args()
    for row in run(rows=options.rows, runs=options.runs):
        if options.json:
            print(json.dumps({"ratio": row.ratio, "rows": row.rows, "seconds": row.seconds}))
            continue
        print(
            f"{row.name}: {row.rows:,} rows in {row.seconds:.1f} s"
            f" ({row.rows / row.seconds:,.0f}/s); {row.floor}: {row.floor_seconds:.1f} s;"
            f" ratio {row.ratio:.2f}"
        )


if __name__ == "__main__":
    main()
