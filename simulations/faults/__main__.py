"""`python -m simulations.faults`: the matrix of faults; exit code 1 if any cell is red.

Words choose rows by group or name: ``python -m simulations.faults store "kill -9"``.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Column, Table

from benchmarks.couchdb import POUCHDB, couchdb
from simulations.faults.matrix import COLUMNS, COUCHDB_FAULTS, Fault, Row, chosen, meet
from simulations.stage import Stage

COUCHDB_PER_DAY, COUCHDB_SPEED = 100.0, 1_800.0
"""pouchdb-server adds up anew at each question: more, and more often, would take it seconds."""


def main(words: Sequence[str]) -> int:
    """Meet the faults one after the other, say of each what came of it, then print the matrix."""
    console = Console(width=190, highlight=False)
    try:
        faults = chosen(words)
    except LookupError as error:
        console.print(str(error), markup=False, soft_wrap=True)
        return 2
    rows = []
    for row in _rows(faults):
        rows.append(row)
        verdict = "BROKEN" if row.broken else "held"
        console.print(f"{row.fault.title}: {verdict}", markup=False)
        for line in row.said:
            console.print(f"    {line}", markup=False, soft_wrap=True)
    console.print(_table(rows))
    return 0 if rows and not any(row.broken for row in rows) else 1


def _rows(faults: Sequence[Fault]) -> Iterator[Row]:
    of_couchdb = [fault for fault in faults if fault in COUCHDB_FAULTS]
    with TemporaryDirectory() as directory:
        others = [fault for fault in faults if fault not in COUCHDB_FAULTS]
        yield from _met(Stage(Path(directory)), others)
    if of_couchdb and POUCHDB.exists():
        with TemporaryDirectory() as directory, couchdb() as server:
            stage = Stage(
                Path(directory), per_day=COUCHDB_PER_DAY, speed=COUCHDB_SPEED, couchdb=server
            )
            yield from _met(stage, of_couchdb)


def _met(stage: Stage, faults: Sequence[Fault]) -> Iterator[Row]:
    if faults:
        with stage.open():
            for fault in faults:
                yield meet(stage, fault)


def _table(rows: Sequence[Row]) -> Table:
    table = Table(
        Column("fault", no_wrap=True),
        *COLUMNS,
        "lines",
        "slowest scrape",
        "median scrape",
        "right again after",
    )
    for row in rows:
        table.add_row(
            row.fault.title,
            *(_cell(row, column) for column in COLUMNS),
            str(len(row.said)),
            f"{row.slowest_answer_seconds * 1000:.0f} ms",
            f"{row.median_answer_seconds * 1000:.0f} ms",
            f"{row.right_again_seconds:.1f} s",
        )
    return table


def _cell(row: Row, column: str) -> str:
    if column in row.broken:
        return "[bold red]BROKEN"
    return "[green]held"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
