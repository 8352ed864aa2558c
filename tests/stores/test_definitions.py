"""A change of definitions: counted again beside the old counts, then one switch."""

from dataclasses import replace

import pytest

from exporter.domain.classify.evaluator import Evaluator
from exporter.ports import Store, StoreError
from tests.stores.oracle import Oracle, assert_holds, counted
from tests.stores.places import Place
from tests.stores.rows import ENGAGED, NOW, SHOWN, batch, blob, some


def rebuild(store: Store) -> None:
    while not store.rebuild().finished:
        pass


def test_a_new_store_takes_the_first_definitions(place: Place, evaluator: Evaluator) -> None:
    store = place.open()
    before = store.active_definitions()

    store.use_definitions(evaluator)

    assert before is None
    assert store.active_definitions() == evaluator.definitions.to_json()


def test_pending_definitions_take_force_once_all_is_recounted(
    place: Place, store: Store, evaluator: Evaluator, other_evaluator: Evaluator
) -> None:
    oracle = Oracle()
    rows = batch(evaluator, some(200))
    oracle.add(rows)
    store.add(rows, NOW)
    store.use_definitions(evaluator, other_evaluator)

    rebuild(store)
    assert_holds(store, oracle, evaluator)
    store.activate()

    assert_holds(store, oracle, other_evaluator)
    assert store.active_definitions() == other_evaluator.definitions.to_json()
    reopened = place.open()
    reopened.use_definitions(other_evaluator)
    assert counted(reopened) == oracle.tally(other_evaluator)


def test_what_changes_during_a_recount_is_counted_under_both(
    place: Place, store: Store, evaluator: Evaluator, other_evaluator: Evaluator
) -> None:
    oracle = Oracle()

    def add(rows: list[tuple[str, bytes]]) -> None:
        oracle.add(batch(evaluator, rows))
        store.add(batch(evaluator, rows), NOW)

    add(some(100))
    add([(some(100)[7][0], blob("2026-11-03", SHOWN, lang="tr"))])
    store.use_definitions(evaluator, other_evaluator)
    add([("new", blob("2026-11-05", SHOWN)), (some(100)[8][0], blob("2026-11-06", SHOWN))])
    store.rebuild()
    add([("later", blob("2026-11-05", SHOWN)), (some(100)[9][0], blob("2026-11-06"))])
    add([(some(100)[7][0], blob("2026-11-09", SHOWN, ENGAGED, lang="nl"))])

    store = place.open()
    store.use_definitions(evaluator, other_evaluator)
    rebuild(store)
    add([(some(100)[7][0], blob("2026-11-08", SHOWN, lang="de")), ("last", blob("2026-11-01"))])
    assert_holds(store, oracle, evaluator)
    store.activate()

    assert_holds(store, oracle, other_evaluator)


def test_a_row_may_change_twice_before_a_recount_comes_to_it(
    store: Store, evaluator: Evaluator, other_evaluator: Evaluator
) -> None:
    oracle = Oracle()
    contents = [blob("2026-11-03", SHOWN, ENGAGED[n:], lang=lang) for n, lang in enumerate("abc")]
    for n, raw in enumerate(contents):
        if n == 1:
            store.use_definitions(evaluator, other_evaluator)
        rows = batch(evaluator, [("a", raw)])
        oracle.add(rows)
        store.add(rows, NOW)

    rebuild(store)
    store.activate()

    assert_holds(store, oracle, other_evaluator)


def test_a_recount_that_another_one_replaces_leaves_nothing_behind(
    place: Place, store: Store, evaluator: Evaluator, other_evaluator: Evaluator
) -> None:
    oracle = Oracle()
    rows = batch(evaluator, some(50))
    oracle.add(rows)
    store.add(rows, NOW)
    fewer = evaluator.definitions.segmentations[:1]
    third = Evaluator(replace(evaluator.definitions, segmentations=fewer))
    store.use_definitions(evaluator, other_evaluator)
    rebuild(store)

    reopened = place.open()
    reopened.use_definitions(evaluator, third)
    rebuild(reopened)
    reopened.activate()

    assert_holds(reopened, oracle, third)


def test_back_and_forth_between_definitions(
    store: Store, evaluator: Evaluator, other_evaluator: Evaluator
) -> None:
    oracle = Oracle()
    rows = batch(evaluator, some(50))
    oracle.add(rows)
    store.add(rows, NOW)
    for before, after in ((evaluator, other_evaluator), (other_evaluator, evaluator)):
        store.use_definitions(before, after)
        rebuild(store)
        store.activate()

        assert_holds(store, oracle, after)


def test_an_empty_store_is_recounted_at_once(
    store: Store, evaluator: Evaluator, other_evaluator: Evaluator
) -> None:
    store.use_definitions(evaluator, other_evaluator)

    rebuild(store)
    store.activate()

    assert counted(store) == {}


def test_nothing_is_read_before_it_is_said_under_what(place: Place) -> None:
    with pytest.raises(StoreError, match="use_definitions"):
        list(place.open().total(0, 1))
