"""`python -m benchmarks`: one table of all figures, and the same as JSON beside it."""

import argparse
import json
import os
import platform
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import chain
from pathlib import Path

from benchmarks import couchdb_import, durations, facts, file_import, http_to_sqlite, scrape, stored
from benchmarks.corpora import CACHE
from benchmarks.couchdb import POUCHDB
from benchmarks.figures import RUNS, Figure, Goal, print_table

RESULTS = CACHE / "figures.json"
PROFILE = CACHE / "facts.txt"


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="stored and imported")
    parser.add_argument("--couchdb-rows", type=int, default=10_000, help="imported into CouchDB")
    parser.add_argument("--runs", type=int, default=RUNS, help="of which the median is given")
    options = parser.parse_args()
    CACHE.mkdir(parents=True, exist_ok=True)
    measured: list[Figure] = []
    for figure in chain(
        facts.run(options.rows, options.runs),
        http_to_sqlite.run(options.rows, options.runs),
        file_import.run(options.rows, options.runs),
        stored.run((10_000, options.rows), options.runs),
        durations.run(min(options.rows, durations.ROWS), options.runs),
        scrape.run(options.rows, options.runs),
        _couchdb(options.couchdb_rows, options.runs),
    ):
        measured.append(figure)
        _write(measured, RESULTS)  # as far as it came
    PROFILE.write_text(facts.profile(options.rows))
    print_table(measured)


def _couchdb(rows: int, runs: int) -> Iterator[Figure]:
    if not (os.environ.get("KPI_TEST_COUCHDB_URL") or POUCHDB.exists()):
        print("skipped: CouchDB, without KPI_TEST_COUCHDB_URL or of pouchdb-server")
        return
    for line in couchdb_import.run(rows=rows, runs=runs):
        yield Figure(
            what=f"{line.name}, {line.rows:,}",
            value=1 / line.ratio,
            unit="of the floor",
            goal=Goal(at_least=0.9),
            against=line.floor,
        )
        yield Figure(
            what=f"{line.name}, {line.rows:,}",
            value=line.rows / line.seconds,
            unit="interactions/s",
        )


def _write(figures: Iterable[Figure], path: Path) -> None:
    machine = {
        "processors": os.cpu_count(),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
    }
    rows = [asdict(figure) | {"met": figure.met} for figure in figures]
    path.write_text(json.dumps({"machine": machine, "figures": rows}, indent=1))


if __name__ == "__main__":
    main()
