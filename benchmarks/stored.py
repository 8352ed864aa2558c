"""Snapshot, start and report on stores of several sizes: nothing may grow with the history."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

from benchmarks.corpora import UNTIL, last_rows, open_store_with_definitions
from benchmarks.figures import RUNS, Figure, Goal, median, seconds
from exporter.config import Configuration, load
from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.interaction import Interaction, Row
from exporter.maintenance.reports import read_report
from exporter.metrics.exposition import Exposition
from exporter.metrics.snapshot import take_snapshot
from exporter.metrics.status import Status
from exporter.ports import Batch
from exporter.stores.sqlite import SqliteStore, tallies

CONFIG = load("data_server: {url: http://127.0.0.1/}", {})
NOW = UNTIL - timedelta(hours=1)  # of the benchmarks: a corpus' last hour
NEW = 1_000
Clock: TypeAlias = Callable[[Callable[[], object]], float]


def opened(file: Path, config: Configuration = CONFIG) -> tuple[SqliteStore, Evaluator]:
    """Open a store under a configuration's definitions."""
    store, evaluator = SqliteStore(file), Evaluator(config.definitions)
    store.use_definitions(evaluator)
    return store, evaluator


def snapshot_seconds(file: Path, timed: Clock = seconds) -> float:
    """Take a snapshot and render it."""
    store, evaluator = opened(file)
    with closing(store):
        return timed(lambda: expose(store, evaluator))


def expose(store: SqliteStore, evaluator: Evaluator, config: Configuration = CONFIG) -> Exposition:
    """Take a snapshot and render it."""
    exposition = Exposition(Status, lambda: "")
    exposition.publish(take_snapshot(store, evaluator, config.windows, NOW), ())
    return exposition


def scrape_seconds(file: Path, timed: Clock = seconds) -> float:
    """Answer a scrape, compressed, without what HTTP takes."""
    store, evaluator = opened(file)
    with closing(store):
        exposition = expose(store, evaluator)
        return timed(lambda: exposition.scrape(accept="", compress=True))


def news_seconds(file: Path, rows: Sequence[Row]) -> float:
    """Read, store and count new rows, take a snapshot and render it."""
    store, evaluator = opened(file)

    def take_in() -> None:
        verdicts = evaluator.read(rows, 1 << 62)
        new = [verdict for verdict in verdicts if isinstance(verdict, Interaction)]
        if store.add(Batch(interactions=new), NOW).imported != len(new):
            raise RuntimeError("rows that should be new were not")
        expose(store, evaluator)

    with closing(store):
        return seconds(take_in)


def report_seconds(file: Path, timed: Clock = seconds) -> float:
    """Make a report over 400 days by one segmentation."""
    store, evaluator = opened(file)
    first = (UNTIL - timedelta(days=400)).date()
    with closing(store):
        return timed(
            lambda: read_report(
                store, evaluator, "bounce_rate", first=first, last=UNTIL.date(), segmentation="OS"
            )
        )


def forget_sums() -> None:
    """Forget what was added up, as a process that starts knows nothing of it."""
    tallies.added_up.cache_clear()


def start_seconds(file: Path, timed: Clock = seconds) -> float:
    """Open the store and expose what it holds, as `serve` does before it is ready."""
    forget_sums()

    def start() -> None:
        store, evaluator = opened(file)
        with closing(store):
            store.stats()
            expose(store, evaluator)

    return timed(start)


def run(sizes: Sequence[int] = (10_000, 1_000_000), runs: int = RUNS) -> Iterator[Figure]:
    """Measure small and large in turn."""
    small, large = open_store_with_definitions(min(sizes)), open_store_with_definitions(max(sizes))
    size = f"{max(sizes) / 1e6:g} million"
    ratios, times = [], []
    for _ in range(runs):
        few, many = snapshot_seconds(small), snapshot_seconds(large)
        ratios.append(many / few)
        times.append(many * 1000)
    yield from _after_news(small, large, size, runs)
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


def _after_news(small: Path, large: Path, size: str, runs: int) -> Iterator[Figure]:
    """Measure on copies: each run adds the newest rows once more, under other ids."""
    rows = last_rows(10_000, NEW)
    ratios, times = [], []
    with tempfile.TemporaryDirectory() as folder:
        few = Path(shutil.copy(small, Path(folder) / "small.db"))
        many = Path(shutil.copy(large, Path(folder) / "large.db"))
        for run_ in range(runs):
            new = [Row(f"{run_}-{row.id}", row.raw) for row in rows]
            of_few, of_many = news_seconds(few, new), news_seconds(many, new)
            ratios.append(of_many / of_few)
            times.append(of_many * 1000)
    yield Figure(
        what=f"{NEW:,} new interactions read, stored and exposed, {size} stored",
        value=median(ratios),
        unit="of that at 10,000",
        goal=Goal(at_most=1.2),
        against="the same at 10,000 stored",
    )
    yield Figure(
        what=f"{NEW:,} new interactions read, stored and exposed, {size} stored",
        value=median(times),
        unit="ms",
    )
