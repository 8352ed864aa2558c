"""Tallies without their rows, or rows without their tallies: noticed, and rebuilt."""

from typing import Any

import pytest
import requests

from exporter.domain.classify.evaluator import Evaluator
from exporter.ports import Store, StoreError
from exporter.stores.couchdb import CouchdbStore
from testing.waiting import WAIT_SECONDS
from tests.stores.oracle import Oracle, assert_holds, counted
from tests.stores.places import Place
from tests.stores.proxy import error, proxied
from tests.stores.rows import ENGAGED, NOW, SHOWN, batch, blob, some

TALLIES, NOVEMBER = "tallies", "2026-11"


@pytest.fixture
def url(couchdb: Place) -> str:
    return couchdb.url.replace("couchdb", "http", 1)


@pytest.fixture
def place(couchdb: Place) -> Place:
    return couchdb


def saved(database: str) -> list[dict[str, Any]]:
    answer = requests.get(
        f"{database}/_all_docs?include_docs=true&attachments=true", timeout=WAIT_SECONDS
    )
    return [row["doc"] for row in answer.json()["rows"]]


def restore(database: str, documents: list[dict[str, Any]]) -> None:
    """Put a database back as it was; without documents it stays away."""
    requests.delete(database, timeout=WAIT_SECONDS).raise_for_status()
    if documents:
        requests.put(database, timeout=WAIT_SECONDS).raise_for_status()
        requests.post(
            f"{database}/_bulk_docs",
            json={"docs": documents, "new_edits": False},
            timeout=WAIT_SECONDS,
        ).raise_for_status()


class Imported:
    """What is imported in two steps, between which backups are made."""

    def __init__(self, evaluator: Evaluator) -> None:
        self.evaluator = evaluator
        self.oracle = Oracle()
        rows = some(40, first="2026-10-30", every_ms=7_200_000)
        changed = [(id_, blob("2026-11-01T07:00", SHOWN)) for id_, _ in rows[30:32]]
        self.steps = [
            [*rows[:35], ("empty", blob("2026-11-01"))],
            [*rows[35:], *changed, ("undated", b'{"event_stream": []}')],
        ]

    def add(self, store: Store, rows: list[tuple[str, bytes]]) -> None:
        judged = batch(self.evaluator, rows)
        self.oracle.add(judged)
        store.add(judged, NOW)


def rebuild(store: Store) -> None:
    while not store.rebuild().finished:
        pass
    store.activate()


@pytest.mark.parametrize(
    ("database", "when"), [(TALLIES, "never"), (TALLIES, "before"), (NOVEMBER, "before")]
)
def test_what_was_lost_or_restored_alone_is_rebuilt_from_the_documents(
    place: Place, store: Store, evaluator: Evaluator, url: str, database: str, when: str
) -> None:
    imported = Imported(evaluator)
    imported.add(store, imported.steps[0])
    backup = saved(f"{url}-{database}") if when == "before" else []
    imported.add(store, imported.steps[1])
    newest = store.stats().newest_ms
    restore(f"{url}-{database}", backup)

    restarted = place.open()
    restarted.use_definitions(evaluator)

    assert restarted.must_rebuild()
    with pytest.raises(StoreError, match="not those of the stored interactions"):
        counted(restarted)
    imported.add(restarted, [("meanwhile", blob("2026-11-02", SHOWN, ENGAGED))])
    rebuild(restarted)
    assert not restarted.must_rebuild()
    if database == NOVEMBER:  # what it has lost comes from the source again
        for step in imported.steps:
            imported.add(restarted, step)
    assert_holds(restarted, imported.oracle, evaluator)
    assert restarted.stats().newest_ms == newest
    again = place.open()
    again.use_definitions(evaluator)
    assert not again.must_rebuild()
    assert_holds(again, imported.oracle, evaluator)


def test_tallies_that_were_lost_are_rebuilt_under_changed_definitions_at_once(
    place: Place, store: Store, evaluator: Evaluator, other_evaluator: Evaluator, url: str
) -> None:
    imported = Imported(evaluator)
    imported.add(store, imported.steps[0])
    backup = saved(f"{url}-{TALLIES}")
    store.use_definitions(evaluator, other_evaluator)
    rebuild(store)
    imported.evaluator = other_evaluator
    imported.add(store, imported.steps[1])
    restore(f"{url}-{TALLIES}", backup)

    restarted = place.open()
    restarted.use_definitions(evaluator, other_evaluator)

    assert restarted.must_rebuild()
    rebuild(restarted)
    assert_holds(restarted, imported.oracle, other_evaluator)


def test_a_rebuild_is_resumed_and_counts_once_after_a_kill(
    place: Place, store: Store, evaluator: Evaluator, url: str
) -> None:
    imported = Imported(evaluator)
    imported.add(store, imported.steps[0])
    restore(f"{url}-{TALLIES}", [])
    killed = place.open()
    killed.use_definitions(evaluator)
    killed.rebuild()
    while not killed.rebuild().finished:
        pass  # and before it is active
    imported.add(killed, imported.steps[1])

    restarted = place.open()
    restarted.use_definitions(evaluator)

    assert restarted.must_rebuild()
    rebuild(restarted)
    assert_holds(restarted, imported.oracle, evaluator)


def test_who_may_not_list_databases_finds_the_months_all_the_same(
    pouchdb_server: str, place: Place, store: Store, evaluator: Evaluator, url: str
) -> None:
    imported = Imported(evaluator)
    imported.add(store, imported.steps[0])
    restore(f"{url}-{TALLIES}", [])
    refused = error(401, "unauthorized", "You are not a server admin.")

    with proxied(pouchdb_server) as proxy:
        proxy.rule = lambda request: refused if "/_all_dbs" in request.path else None
        restarted = CouchdbStore(place.url.replace(pouchdb_server[7:], proxy.url[7:]))
        restarted.use_definitions(evaluator)
        rebuild(restarted)

        assert_holds(restarted, imported.oracle, evaluator)
        restarted.close()


def test_documents_of_others_are_no_reason_to_rebuild_again(
    place: Place, store: Store, evaluator: Evaluator, url: str
) -> None:
    imported = Imported(evaluator)
    imported.add(store, imported.steps[0])
    for id_ in ("_design/own", "own"):
        requests.put(f"{url}-{NOVEMBER}/{id_}", json={}, timeout=WAIT_SECONDS).raise_for_status()
    restarted = place.open()
    restarted.use_definitions(evaluator)
    assert restarted.must_rebuild()
    rebuild(restarted)

    again = place.open()
    again.use_definitions(evaluator)

    assert not again.must_rebuild()
    assert_holds(again, imported.oracle, evaluator)
    assert not list(again.wrong_holdings(repair=False))
