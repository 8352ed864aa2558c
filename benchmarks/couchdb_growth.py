"""1,000 more interactions in CouchDB, until their KPIs can be exposed: small store, large store.

The larger store has more history behind the same windows, as a service that runs for long. On
pouchdb-server, which adds a view up anew at each query, what is measured is above all that.

    python -m benchmarks.couchdb_growth --days 1 100
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from uuid import uuid4

from benchmarks.couchdb import END, couchdb, portions_of
from exporter.config import load
from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.windows import Window
from exporter.metrics.snapshot import take_snapshot
from exporter.stores.couchdb import CouchdbStore

PER_DAY = 1_000
WINDOWS = tuple(Window(name=f"{days}d", hours=24 * days) for days in (1, 7, 30))


def run(*, days: Sequence[int], runs: int = 5) -> dict[int, float]:
    """Measure with so many days of history before the windows; median seconds by rows held."""
    evaluator = Evaluator(load("data_server: {url: 'http://127.0.0.1:3435/'}", {}).definitions)
    seconds: dict[int, float] = {}
    for history in days:
        since, newest = END - timedelta(days=30 + history), END - timedelta(days=1)
        with couchdb() as address:
            url = address.replace("http", "couchdb", 1) + f"/bench_{uuid4().hex[:8]}"
            with closing(CouchdbStore(url)) as store:
                store.use_definitions(evaluator)
                for portion in portions_of(evaluator, since, newest, per_day=PER_DAY):
                    store.add(portion, END)
                measured = []
                for n in range(runs):
                    at = newest + timedelta(minutes=10 * n)
                    (more,) = portions_of(
                        evaluator, at, at + timedelta(minutes=10), per_day=144_000
                    )
                    began = time.perf_counter()
                    store.add(more, END)
                    take_snapshot(store, evaluator, WINDOWS, END)
                    measured.append(time.perf_counter() - began)
                seconds[store.stats().interactions] = statistics.median(measured)
    return seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--days", type=int, nargs="+", default=[1, 100], help="of history")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    for rows, seconds in run(days=options.days, runs=options.runs).items():
        print(f"1,000 more after {rows:,} interactions: KPIs after {seconds:.2f} s")


if __name__ == "__main__":
    main()
