"""A change of definitions: counted again beside the old counts, then one switch."""

from dataclasses import replace

import pytest

from exporter.domain.counting import Counting
from exporter.ports import Store, StoreError
from tests.stores.oracle import Oracle, assert_holds, counted
from tests.stores.places import Place
from tests.stores.rows import ENGAGED, NOW, SHOWN, batch, blob, some


def recount(store: Store) -> None:
    while not store.recount().finished:
        pass


def test_a_new_store_takes_the_first_definitions(place: Place, counting: Counting) -> None:
    store = place.open()
    before = store.definitions_in_force()

    store.count_under(counting)

    assert before is None
    assert store.definitions_in_force() == counting.definitions.to_json()


def test_pending_definitions_take_force_once_all_is_recounted(
    place: Place, store: Store, counting: Counting, other_counting: Counting
) -> None:
    oracle = Oracle()
    rows = batch(counting, some(200))
    oracle.add(rows)
    store.add(rows, NOW)
    store.count_under(counting, other_counting)

    recount(store)
    assert_holds(store, oracle, counting)
    store.put_in_force()

    assert_holds(store, oracle, other_counting)
    assert store.definitions_in_force() == other_counting.definitions.to_json()
    reopened = place.open()
    reopened.count_under(other_counting)
    assert counted(reopened) == oracle.tally(other_counting)


def test_what_changes_during_a_recount_is_counted_under_both(
    place: Place, store: Store, counting: Counting, other_counting: Counting
) -> None:
    oracle = Oracle()

    def add(rows: list[tuple[str, bytes]]) -> None:
        oracle.add(batch(counting, rows))
        store.add(batch(counting, rows), NOW)

    add(some(100))
    add([(some(100)[7][0], blob("2026-11-03", SHOWN, lang="tr"))])
    store.count_under(counting, other_counting)
    add([("new", blob("2026-11-05", SHOWN)), (some(100)[8][0], blob("2026-11-06", SHOWN))])
    store.recount()
    add([("later", blob("2026-11-05", SHOWN)), (some(100)[9][0], blob("2026-11-06"))])
    add([(some(100)[7][0], blob("2026-11-09", SHOWN, ENGAGED, lang="nl"))])

    store = place.open()
    store.count_under(counting, other_counting)
    recount(store)
    add([(some(100)[7][0], blob("2026-11-08", SHOWN, lang="de")), ("last", blob("2026-11-01"))])
    assert_holds(store, oracle, counting)
    store.put_in_force()

    assert_holds(store, oracle, other_counting)


def test_a_row_may_change_twice_before_a_recount_comes_to_it(
    store: Store, counting: Counting, other_counting: Counting
) -> None:
    oracle = Oracle()
    contents = [blob("2026-11-03", SHOWN, ENGAGED[n:], lang=lang) for n, lang in enumerate("abc")]
    for n, raw in enumerate(contents):
        if n == 1:
            store.count_under(counting, other_counting)
        rows = batch(counting, [("a", raw)])
        oracle.add(rows)
        store.add(rows, NOW)

    recount(store)
    store.put_in_force()

    assert_holds(store, oracle, other_counting)


def test_a_recount_that_another_one_replaces_leaves_nothing_behind(
    place: Place, store: Store, counting: Counting, other_counting: Counting
) -> None:
    oracle = Oracle()
    rows = batch(counting, some(50))
    oracle.add(rows)
    store.add(rows, NOW)
    fewer = counting.definitions.segmentations[:1]
    third = Counting(replace(counting.definitions, segmentations=fewer))
    store.count_under(counting, other_counting)
    recount(store)

    reopened = place.open()
    reopened.count_under(counting, third)
    recount(reopened)
    reopened.put_in_force()

    assert_holds(reopened, oracle, third)


def test_back_and_forth_between_definitions(
    store: Store, counting: Counting, other_counting: Counting
) -> None:
    oracle = Oracle()
    rows = batch(counting, some(50))
    oracle.add(rows)
    store.add(rows, NOW)
    for before, after in ((counting, other_counting), (other_counting, counting)):
        store.count_under(before, after)
        recount(store)
        store.put_in_force()

        assert_holds(store, oracle, after)


def test_an_empty_store_is_recounted_at_once(
    store: Store, counting: Counting, other_counting: Counting
) -> None:
    store.count_under(counting, other_counting)

    recount(store)
    store.put_in_force()

    assert counted(store) == {}


def test_nothing_is_read_before_it_is_said_under_what(place: Place) -> None:
    with pytest.raises(StoreError, match="count_under"):
        list(place.open().total(0, 1))
