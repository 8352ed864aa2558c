"""Ids that share a hash: each is found, replaced and dropped as if it were alone."""

import sqlite3
from pathlib import Path

import pytest

from exporter.domain.classify.evaluator import Evaluator
from exporter.stores.sqlite import ids
from exporter.stores.sqlite.store import SqliteStore
from tests.stores.oracle import Oracle, assert_holds
from tests.stores.rows import ENGAGED, NOW, SHOWN, batch, blob, hour, some

ONE, OTHER = "plumless", "buckeroo"
DAY, NEXT_DAY = "2026-11-03", "2026-11-04"


def test_the_two_ids_do_share_a_hash() -> None:
    assert ids.hash_of(ONE) == ids.hash_of(OTHER)


@pytest.mark.parametrize("other_day", [DAY, NEXT_DAY])
def test_ids_of_one_hash_are_told_apart(
    tmp_path: Path, evaluator: Evaluator, other_day: str
) -> None:
    store, oracle = SqliteStore(tmp_path / "kpi.db"), Oracle()
    store.use_definitions(evaluator)
    steps = (
        [(ONE, blob(DAY, SHOWN))],
        [(OTHER, blob(other_day, SHOWN)), (ONE, blob(DAY, SHOWN))],
        [(ONE, blob(NEXT_DAY, SHOWN, ENGAGED))],  # replaced, by one of another timestamp
        [(OTHER, blob(other_day))],  # emptied
        [(ONE, b"{"), (OTHER, blob(other_day, SHOWN))],
    )
    for rows in steps:
        for _ in range(2):
            store.add(batch(evaluator, rows), NOW)
            oracle.add(batch(evaluator, rows))

            assert_holds(store, oracle, evaluator)


def test_an_id_whose_twin_was_dropped_is_still_found(tmp_path: Path, evaluator: Evaluator) -> None:
    store = SqliteStore(tmp_path / "kpi.db")
    store.use_definitions(evaluator)
    kept = batch(evaluator, [(OTHER, blob(NEXT_DAY, SHOWN))])
    store.add(batch(evaluator, [(ONE, blob(DAY, SHOWN))]), NOW)
    store.add(kept, NOW)

    assert store.drop_before(hour(NEXT_DAY)) == 1

    assert store.add(kept, NOW).duplicate == 1


def test_ids_are_found_before_and_after_they_are_moved(
    tmp_path: Path, evaluator: Evaluator
) -> None:
    path = tmp_path / "kpi.db"
    store, oracle = SqliteStore(path), Oracle()
    store.use_definitions(evaluator)
    rows = some(20)
    for portion in (batch(evaluator, rows[:10]), batch(evaluator, rows[10:])):
        store.add(portion, NOW)
        oracle.add(portion)
        if portion.interactions[0].id == rows[0][0]:
            with sqlite3.connect(path) as db:
                ids.keep(db, ((str(n), n) for n in range(ids.MOST_NEW)))
                assert db.execute("select count(*) from new_ids").fetchone() == (0,)
    changed = batch(evaluator, [(id_, blob(NEXT_DAY, SHOWN)) for id_, _ in (rows[0], rows[-1])])

    assert store.add(batch(evaluator, rows), NOW).duplicate == 20
    assert store.add(changed, NOW).imported == 2

    oracle.add(changed)
    assert_holds(store, oracle, evaluator)
