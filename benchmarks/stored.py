"""Snapshot, start and report on stores of several sizes: nothing may grow with the history."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.corpora import CACHE, UNTIL, corpus, served
from benchmarks.figures import RUNS, Figure, Goal, median, seconds
from exporter.config import load
from exporter.domain.counting import Counting
from exporter.exposition import Exposition
from exporter.operations import Operations
from exporter.reading import read_report
from exporter.snapshot import take_snapshot
from exporter.stores.sqlite import SqliteStore

CONFIG = load("data_server: {url: http://127.0.0.1/}", {})
NOW = datetime.fromisoformat(UNTIL).replace(tzinfo=UTC)


def store_of(rows: int) -> Path:
    """Give the file of a store that a corpus was imported into, kept in the cache."""
    file = CACHE / f"store-{rows}.db"
    if not file.exists():
        with tempfile.TemporaryDirectory(dir=CACHE) as folder, served(corpus(rows)) as url:
            made = Path(folder) / "kpi.db"
            config = Path(folder) / "config.yml"
            content = {
                "data_server": {"url": url, "timeout": "5m"},
                "store": {"url": f"sqlite:{made}"},
            }
            config.write_text(json.dumps(content))
            command = ["import", f"--config.file={config}", "--since=2026-10-01"]
            subprocess.run(
                [sys.executable, "-m", "exporter", *command], check=True, capture_output=True
            )
            made.rename(file)
    return file


def _opened(file: Path) -> tuple[SqliteStore, Counting]:
    store, counting = SqliteStore(file), Counting(CONFIG.definitions)
    store.count_under(counting)
    return store, counting


def snapshot_seconds(file: Path) -> float:
    """Take a snapshot of the day before the corpus ends, and render it in both formats."""
    store, counting = _opened(file)
    exposition = Exposition(Operations, lambda: "")
    with closing(store):
        return seconds(
            lambda: exposition.publish(
                take_snapshot(store, counting, CONFIG.windows, NOW - timedelta(hours=1)), ()
            )
        )


def report_seconds(file: Path) -> float:
    """Make a report over 400 days by one segmentation."""
    store, counting = _opened(file)
    first = (NOW - timedelta(days=400)).date()
    with closing(store):
        return seconds(
            lambda: read_report(
                store, counting, "bounce_rate", first=first, last=NOW.date(), segmentation="OS"
            )
        )


def start_seconds(file: Path) -> float:
    """Open the store and expose what it holds, as `serve` does before it is ready."""

    def start() -> None:
        store, counting = _opened(file)
        with closing(store):
            store.holdings()
            exposition = Exposition(Operations, lambda: "")
            exposition.publish(take_snapshot(store, counting, CONFIG.windows, NOW), ())

    return seconds(start)


def run(sizes: Sequence[int] = (10_000, 1_000_000), runs: int = RUNS) -> Iterator[Figure]:
    """Measure small and large in turn."""
    small, large = store_of(min(sizes)), store_of(max(sizes))
    size = f"{max(sizes) / 1e6:g} million"
    ratios, times = [], []
    for _ in range(runs):
        few, many = snapshot_seconds(small), snapshot_seconds(large)
        ratios.append(many / few)
        times.append(many * 1000)
    yield Figure(
        what=f"snapshot, {size} stored",
        value=median(ratios),
        unit="of that at 10,000",
        goal=Goal(at_most=1.2),
        against="the same at 10,000 stored",
    )
    yield Figure(
        what=f"snapshot, {size} stored", value=median(times), unit="ms", goal=Goal(at_most=100)
    )
    yield Figure(
        what=f"start on {size}",
        value=median([start_seconds(large) for _ in range(runs)]),
        unit="s",
        goal=Goal(at_most=2),
    )
    yield Figure(
        what="report over 400 days, one segmentation",
        value=median([report_seconds(large) * 1000 for _ in range(runs)]),
        unit="ms",
        goal=Goal(at_most=100),
    )
