"""A snapshot costs the same whatever the store holds: statements, steps and bytes, not seconds."""

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import FrameType

from exporter.config import load
from exporter.domain.classify.evaluator import Evaluator
from exporter.metrics.exposition import Exposition
from exporter.metrics.snapshot import Snapshot, take_snapshot
from exporter.metrics.status import Status
from exporter.stores.sqlite import SqliteStore
from tests.builders import AT, JOURNEYS, batch, persona, row, sqlite_store

CONFIG = load("data_server: {url: 'http://127.0.0.1/'}", {})
FULL_DAYS, LONG_DAYS = 40, 400  # both fill the longest window, of 30 days


@dataclass(slots=True, kw_only=True)
class SqliteWatch:
    """What SQLite did: the statements, and the steps of its virtual machine, a few a row read.

    The store opens connections of its own: each is met by the interpreter's profile hook when
    it is first used.
    """

    statements: list[str] = field(default_factory=list)
    steps: int = 0
    _met: list[sqlite3.Connection] = field(default_factory=list)

    @contextmanager
    def watching(self) -> Iterator[None]:
        before = sys.getprofile()
        sys.setprofile(self._meet)
        try:
            yield
        finally:
            sys.setprofile(before)

    def _meet(self, _: FrameType, event: str, called: object) -> None:
        connection = getattr(called, "__self__", None) if event == "c_call" else None
        if isinstance(connection, sqlite3.Connection) and connection not in self._met:
            self._met.append(connection)
            connection.set_trace_callback(self.statements.append)
            connection.set_progress_handler(self._step, 1)

    def _step(self) -> int:
        self.steps += 1
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a snapshot took."""

    statements: int
    steps: int
    rendered: int


def history(path: Path, days: int) -> SqliteStore:
    """A store in which all days are alike, and the last one is today."""
    rows = [
        row(*journey, id_=f"{day}-{n}-{hour}", at=AT.replace(hour=hour) - timedelta(days=day))
        for day in range(days)
        for n, journey in enumerate(JOURNEYS)
        for hour in (2, 11)
    ]
    store = sqlite_store(path)
    for start in range(0, len(rows), 2_000):
        store.add(batch(rows[start : start + 2_000]), AT)
    return store


def cost(path: Path, days: int) -> Cost:
    """What a snapshot over a history of so many days takes."""
    store = history(path, days)
    watch = SqliteWatch()
    with watch.watching():
        snapshot = take_snapshot(store, Evaluator(persona()), CONFIG.windows, AT)
    store.close()
    rendered = _rendered(Exposition(Status, lambda: ""), snapshot)
    return Cost(statements=len(watch.statements), steps=watch.steps, rendered=rendered)


def _rendered(exposition: Exposition, snapshot: Snapshot) -> int:
    exposition.publish(snapshot, ())
    kpis = exposition.scrape(accept="", compress=False).content.split(b"# HELP kpi_source_up")[0]
    return len(kpis)


def test_a_snapshot_takes_the_same_work_over_40_days_of_history_as_over_400(
    tmp_path: Path,
) -> None:
    short = cost(tmp_path / "short.db", FULL_DAYS)
    long = cost(tmp_path / "long.db", LONG_DAYS)
    assert short.statements > 3
    assert short.steps > 1_000
    assert short.rendered > 100_000
    assert long == short


def test_a_store_that_is_younger_than_the_windows_takes_no_more(
    tmp_path: Path,
) -> None:
    young = cost(tmp_path / "young.db", 10)
    full = cost(tmp_path / "full.db", FULL_DAYS)
    assert young.statements == full.statements
    assert 1_000 < young.steps < full.steps
