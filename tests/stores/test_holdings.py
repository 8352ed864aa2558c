"""How many rows a store says it holds, against the rows: found wrong, and put right."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
import requests

from exporter.domain.classify.evaluator import Evaluator
from exporter.ports import Store
from testing.waiting import WAIT_SECONDS
from tests.stores.oracle import Oracle, assert_holds
from tests.stores.places import Place, sqlite_place
from tests.stores.rows import NOW, batch, blob, some

ROWS = [*some(30, first="2026-10-30"), ("empty", blob("2026-11-01")), ("broken", b"{")]


def damage(place: Place, interactions: int, ignored: int) -> None:
    """Count so many rows more than there are."""
    if place.url.startswith("sqlite:"):
        with closing(sqlite3.connect(place.url.removeprefix("sqlite:"))) as db, db:
            for name, n in (("interactions", interactions), ("ignored", ignored)):
                db.execute("update holdings set n = n + ? where name = ?", (n, name))
        return
    tallies = place.url.replace("couchdb", "http", 1) + "-tallies"
    requests.put(
        f"{tallies}/repair:{uuid4().hex}",
        json={"held": {"2026-11": [interactions, ignored]}},
        timeout=WAIT_SECONDS,
    ).raise_for_status()


@pytest.mark.parametrize("more", [(7, 0), (-7, 0), (0, 2), (1, -1)])
def test_held_counts_that_are_wrong_are_found_and_put_right(
    place: Place, store: Store, evaluator: Evaluator, more: Sequence[int]
) -> None:
    oracle = Oracle()
    oracle.add(batch(evaluator, ROWS))
    store.add(batch(evaluator, ROWS), NOW)
    assert not list(store.wrong_holdings(repair=False))
    damage(place, *more)

    found = list(store.wrong_holdings(repair=False))
    repaired = list(store.wrong_holdings(repair=True))

    assert [wrong.held - wrong.right for wrong in found] == [n for n in more if n]
    assert repaired == found
    assert not list(store.wrong_holdings(repair=False))
    assert_holds(store, oracle, evaluator)


def test_rejected_rows_that_are_counted_wrong_are_put_right(
    tmp_path: Path, evaluator: Evaluator
) -> None:
    place = sqlite_place(tmp_path / "kpi.db")
    store = place.open()
    store.use_definitions(evaluator)
    store.add(batch(evaluator, ROWS), NOW)
    with closing(sqlite3.connect(place.url.removeprefix("sqlite:"))) as db, db:
        db.execute("update holdings set n = 5 where name like 'rejected:%'")

    (wrong,) = store.wrong_holdings(repair=True)

    assert (wrong.held, wrong.right) == (5, 1)
    assert sum(store.stats().rejected.values()) == 1
    place.leave()
