"""A file imported by `kpi-exporter import FILE`, against the same rows over HTTP."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.corpora import corpus, served
from benchmarks.figures import RUNS, Figure, Goal, median
from benchmarks.http_to_sqlite import Import, import_into


def array_file(rows: int, folder: Path) -> Path:
    """Write a corpus as one array of KPIggybank's rows."""
    file = folder / "rows.json"
    with (corpus(rows) / "rows").open("rb") as source, file.open("wb") as target:
        target.write(b"[")
        shutil.copyfileobj(source, target, 1 << 20)
        target.seek(-1, 2)  # the last row's comma
        target.write(b"]")
    return file


def run(rows: int = 1_000_000, runs: int = RUNS) -> Iterator[Figure]:
    """Measure, from the file and over HTTP in turn."""
    from_file: list[Import] = []
    over_http: list[Import] = []
    with tempfile.TemporaryDirectory() as name, served(corpus(rows)) as url:
        file = array_file(rows, Path(name))
        for _ in range(runs):
            with tempfile.TemporaryDirectory() as folder:
                from_file.append(import_into(Path(folder), url, file))
            with tempfile.TemporaryDirectory() as folder:
                over_http.append(import_into(Path(folder), url))
    millions = f"{rows / 1e6:g} million"
    pairs = list(zip(from_file, over_http, strict=True))
    yield Figure(
        what=f"import of a file, {millions}",
        value=median([one.rate / other.rate for one, other in pairs]),
        unit="of that over HTTP",
        against="rows a second of the same rows over HTTP",
    )
    yield Figure(
        what=f"processor time of it, {millions}",
        value=median([one.processor / other.processor for one, other in pairs]),
        unit="of that over HTTP",
    )
    yield Figure(
        what=f"peak memory of it, {millions}",
        value=max(one.peak for one in from_file),
        unit="MiB",
        goal=Goal(at_most=200),
    )
