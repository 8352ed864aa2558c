"""A copy holds and counts what the copied store does, whatever both are made of."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from exporter.domain.classify.evaluator import Evaluator
from exporter.maintenance.copy import PORTION, Copied, copy
from exporter.ports import Store, StoreError
from tests.stores.oracle import counted
from tests.stores.places import Place, couchdb_place, sqlite_place
from tests.stores.rows import NOW, batch, blob, hour, some

ROWS = some(120, first="2026-09-20", every_ms=4 * 3_600_000)
TECHNOLOGIES = [
    ("sqlite", "couchdb"),
    ("couchdb", "sqlite"),
    pytest.param(("couchdb", "couchdb"), marks=pytest.mark.slow),
]


@pytest.fixture(params=TECHNOLOGIES, ids="->".join)
def places(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[Place]]:
    """Where to copy from, and where to."""

    def place(technology: str) -> Place:
        name = f"kpi_test_{uuid4().hex[:12]}"
        if technology == "sqlite":
            return sqlite_place(tmp_path / f"{name}.db")
        return couchdb_place(request.getfixturevalue("pouchdb_server"), name)

    both = [place(technology) for technology in request.param]
    yield both
    for each in both:
        each.leave()


@pytest.fixture
def source(places: list[Place], evaluator: Evaluator) -> Store:
    """A store with something of everything."""
    store = places[0].open()
    store.use_definitions(evaluator)
    rows = [*some(120, first="2026-09-20", every_ms=7_200_000 * 2), ("empty", blob("2026-11-01"))]
    store.add(
        batch(evaluator, [*rows, ("undated", b"{}"), ("/odd id", blob("2026-11-02", "x"))]), NOW
    )
    for n, raw in enumerate((b"{", b"\xff", b"[]")):
        store.add(batch(evaluator, [(f"broken{n}", raw)]), NOW + timedelta(hours=n))
    posted = batch(evaluator, [("posted", blob("2026-11-03", "x")), ("posted empty", b"{}")])
    store.add(replace(posted, collected=True), NOW)
    store.remember("position", "2026-11-20")
    assert store.drop_before(hour("2026-10-01")) > 0
    return store


def assert_the_same(copied: Store, source: Store) -> None:
    assert copied.stats() == source.stats()
    assert counted(copied) == counted(source)
    assert copied.rejected(10) == source.rejected(10)
    assert sorted(copied.ignored()) == sorted(source.ignored())
    assert copied.note("position") == source.note("position")
    assert [(row.id, row.timestamp_ms) for row in copied.interactions(0, 1 << 42)] == [
        (row.id, row.timestamp_ms) for row in source.interactions(0, 1 << 42)
    ]


def test_a_copy_is_the_same(places: list[Place], source: Store) -> None:
    target = places[1].open()

    steps = list(copy(source, target, NOW))

    assert steps[-1].done == steps[-1].total == source.stats().interactions
    assert_the_same(target, source)


def test_a_copy_made_again_changes_nothing(places: list[Place], source: Store) -> None:
    target = places[1].open()
    list(copy(source, target, NOW))

    list(copy(source, target, NOW))

    assert_the_same(target, source)


def test_a_copy_made_again_brings_what_came_meanwhile(
    places: list[Place], source: Store, evaluator: Evaluator
) -> None:
    target = places[1].open()
    list(copy(source, target, NOW))
    source.add(
        batch(evaluator, [("late", blob("2026-10-07", "x")), ("e2", blob("2026-10-07"))]), NOW
    )

    list(copy(source, places[1].open(), NOW))

    assert_the_same(target, source)


def test_a_row_of_the_copy_is_known_when_it_comes_from_the_source(
    places: list[Place], source: Store, evaluator: Evaluator
) -> None:
    target = places[1].open()
    list(copy(source, target, NOW))
    of_october = ROWS[66:]

    added = target.add(batch(evaluator, [*of_october, ("undated", b"{}"), ("broken0", b"{")]), NOW)

    assert (added.imported, added.duplicate) == (0, 54)
    assert_the_same(target, source)


def test_a_stopped_copy_goes_on_where_it_was(
    tmp_path: Path, evaluator: Evaluator, other_evaluator: Evaluator
) -> None:
    places = [sqlite_place(tmp_path / "from.db"), sqlite_place(tmp_path / "to.db")]
    source, target = (place.open() for place in places)
    source.use_definitions(evaluator)
    target.use_definitions(other_evaluator)
    source.add(batch(evaluator, some(2 * PORTION + 100, every_ms=60_000)), NOW)

    steps = [next(copy(source, target, NOW)), *copy(source, places[1].open(), NOW)]

    assert len(steps) == 3  # two of them after the stop: it did not begin anew
    assert steps[-1] == Copied(done=2 * PORTION + 100, total=2 * PORTION + 100)
    assert counted(target) == other_evaluator.tally_stored(source.interactions(0, 1 << 42))
    for place in places:
        place.leave()


def test_nothing_to_copy_is_said(tmp_path: Path) -> None:
    places = [sqlite_place(tmp_path / "from.db"), sqlite_place(tmp_path / "to.db")]

    with pytest.raises(StoreError, match="empty"):
        list(copy(places[0].open(), places[1].open(), NOW))
    for place in places:
        place.leave()
