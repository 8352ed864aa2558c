"""HTTP to committed SQLite, against bare rows: the same bodies split and inserted, no more.

The floor is a process of its own, as the import is: `python -m benchmarks.http_to_sqlite URL FILE`.
"""

import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import msgspec
import requests

from benchmarks.corpora import DAYS, UNTIL, config_file, corpus, json_bytes, served
from benchmarks.figures import RUNS, Figure, Goal, median
from exporter.ingest.batches import BATCH_ROWS


class _Line(msgspec.Struct):
    id: str
    value: msgspec.Raw


def floor(url: str, file: Path) -> float:
    """Split bodies into raw rows with msgspec and insert them; rows a second."""
    db = sqlite3.connect(file, isolation_level=None)
    db.execute("pragma journal_mode = wal")
    db.execute("pragma synchronous = normal")
    db.execute("pragma cache_size = -65536")
    db.execute("create table rows (id text, body blob)")  # appended to: no index by random ids
    split = msgspec.json.Decoder(list[_Line]).decode
    session = requests.Session()
    rows = 0
    began = time.perf_counter()
    for start, end in _windows():
        body = session.get(url, params={"start": start, "end": end - 1}, timeout=120).content
        lines = split(body)
        for first in range(0, len(lines), BATCH_ROWS):
            db.execute("begin")
            db.executemany(
                "insert into rows values (?, ?)",
                [(line.id, bytes(line.value)) for line in lines[first : first + BATCH_ROWS]],
            )
            db.execute("commit")
        rows += len(lines)
    return rows / (time.perf_counter() - began)


def _windows() -> Iterator[tuple[int, int]]:
    at = UNTIL - timedelta(days=DAYS)
    while at < UNTIL:
        yield int(at.timestamp() * 1000), int((at + timedelta(hours=6)).timestamp() * 1000)
        at += timedelta(hours=6)


def _floor_in_its_own_process(url: str, file: Path) -> float:
    command = [sys.executable, "-m", "benchmarks.http_to_sqlite", url, str(file)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """What an import took.

    Rows a second, microseconds of processor time a row, MiB of memory at most, bytes of the store.
    """

    rate: float
    processor: float
    peak: float
    size: int


def import_into(folder: Path, url: str, *files: Path, **more: object) -> Import:
    """Import a corpus, from its address or from files, in a process of its own.

    `more`: further keys of its configuration.
    """
    config = config_file(folder, url, **more)
    command = ["import", *map(str, files), f"--config.file={config}", "--log.format=json"]
    program = (
        "import resource, sys; from exporter.commands.main import main; code = main();"
        " used = resource.getrusage(resource.RUSAGE_SELF);"
        " print(used.ru_maxrss, used.ru_utime + used.ru_stime); sys.exit(code)"
    )
    process = subprocess.run(
        [sys.executable, "-c", program, *command], check=True, capture_output=True, text=True
    )
    finished = json.loads(process.stderr.strip().splitlines()[-1])
    peak, processor = process.stdout.split()
    rows = finished["imported"] + finished["ignored"] + finished["rejected"]
    return Import(
        rate=rows / finished["seconds"],
        processor=float(processor) / rows * 1e6,
        peak=int(peak) / 1024,
        size=sum(file.stat().st_size for file in folder.glob("kpi.db*")),
    )


def run(rows: int = 1_000_000, runs: int = RUNS) -> Iterator[Figure]:
    """Measure, import and floor in turn."""
    floors: list[float] = []
    imports: list[Import] = []
    with served(corpus(rows)) as url:
        for _ in range(runs):
            with tempfile.TemporaryDirectory() as folder:
                floors.append(_floor_in_its_own_process(url, Path(folder) / "floor.db"))
            with tempfile.TemporaryDirectory() as folder:
                imports.append(import_into(Path(folder), url))
    millions = f"{rows / 1e6:g} million"
    yield Figure(
        what=f"import over HTTP into SQLite, {millions}",
        value=median([one.rate / bare for one, bare in zip(imports, floors, strict=True)]),
        unit="of the floor",
        goal=Goal(at_least=0.4),
        against="bodies split by msgspec, bare executemany",
    )
    yield Figure(what=f"the floor of it, {millions}", value=median(floors), unit="interactions/s")
    yield Figure(
        what=f"import over HTTP into SQLite, {millions}",
        value=median([one.rate for one in imports]),
        unit="interactions/s",
        goal=Goal(at_least=50_000),
    )
    yield Figure(
        what=f"processor time of that import, {millions}",
        value=median([one.processor for one in imports]),
        unit="µs an interaction",
    )
    yield Figure(
        what=f"peak memory of that import, {millions}",
        value=max(one.peak for one in imports),
        unit="MiB",
        goal=Goal(at_most=200),
    )
    yield Figure(
        what="disk for each interaction",
        value=median([one.size / json_bytes(rows) for one in imports]),
        unit="of its JSON",
        goal=Goal(at_most=0.5),
        against="size of the rows' JSON",
    )


if __name__ == "__main__":
    print(floor(sys.argv[1], Path(sys.argv[2])))
