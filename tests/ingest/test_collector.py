"""Group commit: what comes together is stored together, and answered when it is stored."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.interaction import Row
from exporter.ingest.collector import Collector, CollectorFull
from exporter.ports import AddResult, Batch, Store, StoreError
from exporter.stores.sqlite import SqliteStore
from tests.builders import AT, BOUNCE, RETURNING, persona, row

LONG = 60.0


class Disk(SqliteStore):
    """A store that waits, or fails, when a test says so."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.batches: list[Batch] = []
        self.failure: Exception | None = None
        self.poison = ""
        self.entered = threading.Event()
        self.may_go = threading.Event()
        self.may_go.set()

    def add(self, batch: Batch, now: datetime) -> AddResult:
        self.entered.set()
        assert self.may_go.wait(LONG)
        if self.failure is not None:
            raise self.failure
        if self.poison in [interaction.id for interaction in batch.interactions]:
            raise RuntimeError("a bug")
        self.batches.append(batch)
        return super().add(batch, now)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path / "kpi.db")
    disk.use_definitions(Evaluator(persona()))
    yield disk
    disk.close()


@pytest.fixture
def results() -> list[AddResult]:
    return []


@pytest.fixture
def collector(disk: Disk, results: list[AddResult]) -> Iterator[Collector]:
    evaluator = Evaluator(persona())

    @contextmanager
    def opened() -> Iterator[tuple[Store, Evaluator]]:
        yield disk, evaluator

    collector = Collector(
        opened, now=lambda: AT, on_added=results.append, gather_seconds=0.2, waiting_rows=10
    )
    collector.start()
    yield collector
    disk.may_go.set()
    collector.stop(timedelta(seconds=LONG))


def rows(n: int) -> list[Row]:
    return [row(*BOUNCE) for _ in range(n)]


def test_requests_that_come_together_share_a_batch(
    collector: Collector, disk: Disk, results: list[AddResult]
) -> None:
    futures = [collector.submit(rows(n)) for n in (1, 2, 3)]

    for future in futures:
        future.result(LONG)
    assert [len(batch.interactions) for batch in disk.batches] == [6]
    assert disk.batches[0].collected
    assert [result.imported for result in results] == [6]


def test_a_request_is_answered_only_when_it_is_committed(collector: Collector, disk: Disk) -> None:
    disk.may_go.clear()
    future = collector.submit(rows(1))

    assert disk.entered.wait(LONG)
    assert not future.done()
    disk.may_go.set()
    future.result(LONG)
    assert disk.stats().interactions == 1


def test_when_the_store_fails_every_request_of_the_group_is_told(
    collector: Collector, disk: Disk
) -> None:
    disk.failure = StoreError("disk full")
    futures = [collector.submit(rows(1)) for _ in range(3)]

    for future in futures:
        with pytest.raises(StoreError):
            future.result(LONG)
    disk.failure = None
    assert disk.stats().interactions == 0
    collector.submit(rows(1)).result(LONG)
    assert disk.stats().interactions == 1  # nothing was kept to be stored later


def test_what_one_request_breaks_is_not_the_others_loss(collector: Collector, disk: Disk) -> None:
    disk.poison = "poison"
    good, bad = collector.submit(rows(1)), collector.submit([row(*BOUNCE, id_="poison")])

    good.result(LONG)
    with pytest.raises(RuntimeError):
        bad.result(LONG)
    assert disk.stats().interactions == 1


def test_more_than_may_wait_is_refused_at_once(collector: Collector, disk: Disk) -> None:
    disk.may_go.clear()
    first = collector.submit(rows(1))
    assert disk.entered.wait(LONG)
    second = collector.submit(rows(9))

    with pytest.raises(CollectorFull):
        collector.submit(rows(1))
    disk.may_go.set()
    first.result(LONG)
    second.result(LONG)
    collector.submit(rows(30)).result(LONG)  # a large one finds its place where nothing waits
    assert disk.stats().interactions == 40


def test_an_id_that_comes_twice_in_a_group_is_replaced_in_order(
    collector: Collector, disk: Disk, results: list[AddResult]
) -> None:
    futures = [
        collector.submit([row(*BOUNCE, id_="a"), row(*RETURNING, id_="a")]),
        collector.submit([row(*RETURNING, id_="a")]),
        collector.submit([row(id_="a")]),  # an empty event stream: it counts no more
    ]

    for future in futures:
        future.result(LONG)
    assert [tuple(result.counts.values()) for result in results] == [
        (1, 0, 0, 0), (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0)
    ]  # fmt: skip
    stats = disk.stats()
    assert (stats.interactions, stats.ignored) == (0, 1)


def test_what_was_submitted_is_stored_before_the_end(collector: Collector, disk: Disk) -> None:
    futures = [collector.submit(rows(1)) for _ in range(5)]

    assert collector.stop(timedelta(seconds=LONG))
    assert all(future.done() for future in futures)
    assert disk.stats().interactions == 5
