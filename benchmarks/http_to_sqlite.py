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
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import requests

from benchmarks.corpora import DAYS, UNTIL, corpus, served
from benchmarks.figures import RUNS, Figure, Goal, median

BATCH_ROWS = 5_000  # as many as the import stores at a time


class _Line(msgspec.Struct):
    id: str
    value: msgspec.Raw


def floor(url: str, file: Path) -> float:
    """Split bodies into raw rows with msgspec and insert them; rows a second."""
    db = sqlite3.connect(file, isolation_level=None)
    db.execute("pragma journal_mode = wal")
    db.execute("pragma synchronous = normal")
    db.execute("pragma cache_size = -65536")
    db.execute("create table rows (id text primary key, body blob) without rowid")
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
    end = datetime.fromisoformat(UNTIL).replace(tzinfo=UTC)
    at = end - timedelta(days=DAYS)
    while at < end:
        yield int(at.timestamp() * 1000), int((at + timedelta(hours=6)).timestamp() * 1000)
        at += timedelta(hours=6)


def _floor_in_its_own_process(url: str, file: Path) -> float:
    command = [sys.executable, "-m", "benchmarks.http_to_sqlite", url, str(file)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _import(url: str, folder: Path) -> tuple[float, float, int]:
    """Import in a process of its own: rows a second, peak memory (MiB), bytes of the store."""
    config = folder / "config.yml"
    store = {"url": f"sqlite:{folder / 'kpi.db'}"}
    content = {"data_server": {"url": url, "timeout": "5m"}, "store": store}
    config.write_text(json.dumps(content))
    command = ["import", f"--config.file={config}", "--since=2026-10-01", "--log.format=json"]
    program = (
        "import resource, sys; from exporter.cli import main; code = main();"
        " print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss); sys.exit(code)"
    )
    process = subprocess.run(
        [sys.executable, "-c", program, *command], check=True, capture_output=True, text=True
    )
    finished = json.loads(process.stderr.strip().splitlines()[-1])
    rows = finished["imported"] + finished["ignored"] + finished["rejected"]
    size = sum(file.stat().st_size for file in folder.glob("kpi.db*"))
    return rows / finished["seconds"], int(process.stdout) / 1024, size


def run(rows: int = 1_000_000, runs: int = RUNS) -> Iterator[Figure]:
    """Measure, import and floor in turn."""
    directory = corpus(rows)
    size = json.loads((directory / "corpus.json").read_text())["bytes"]
    rates, ratios, memory, disk = [], [], [], []
    with served(directory) as url:
        for _ in range(runs):
            with tempfile.TemporaryDirectory() as folder:
                bare = _floor_in_its_own_process(url, Path(folder) / "floor.db")
            with tempfile.TemporaryDirectory() as folder:
                rate, peak, stored = _import(url, Path(folder))
            rates.append(rate)
            ratios.append(rate / bare)
            memory.append(peak)
            disk.append(stored / size)
    millions = f"{rows / 1e6:g} million"
    yield Figure(
        what=f"import over HTTP into SQLite, {millions}",
        value=median(ratios),
        unit="of the floor",
        goal=Goal(at_least=0.4),
        against="bodies split by msgspec, bare executemany",
    )
    yield Figure(
        what=f"import over HTTP into SQLite, {millions}",
        value=median(rates),
        unit="interactions/s",
        goal=Goal(at_least=50_000),
    )
    yield Figure(
        what=f"peak memory of that import, {millions}",
        value=max(memory),
        unit="MiB",
        goal=Goal(at_most=200),
    )
    yield Figure(
        what="disk for each interaction",
        value=median(disk),
        unit="of its JSON",
        goal=Goal(at_most=0.5),
        against="size of the rows' JSON",
    )


if __name__ == "__main__":
    print(floor(sys.argv[1], Path(sys.argv[2])))
