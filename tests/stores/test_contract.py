"""What every store promises, in single rules."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.interaction import Reason, Rejected, Row
from exporter.domain.tally import Tally, add, merge
from exporter.domain.windows import ms_of
from exporter.ingest.retry import retry
from exporter.ports import Batch, Store
from tests.stores.oracle import Oracle, assert_holds, counted
from tests.stores.places import Place
from tests.stores.rows import ENGAGED, NOW, SHOWN, SIGNED_IN, batch, blob, hour, ms, some


def test_new_rows_are_imported_and_counted(store: Store, evaluator: Evaluator) -> None:
    oracle = Oracle()
    rows = batch(evaluator, some(300))
    oracle.add(rows)

    added = store.add(rows, NOW)

    assert (added.imported, added.duplicate) == (300, 0)
    assert sorted(added.timestamps_ms) == sorted(row.timestamp_ms for row in rows.interactions)
    assert_holds(store, oracle, evaluator)
    assert store.stats().newest_ms == max(row.timestamp_ms for row in rows.interactions)


def test_a_row_is_counted_once_however_often_it_comes(
    place: Place, store: Store, evaluator: Evaluator
) -> None:
    rows = batch(evaluator, [*some(50), ("empty", blob("2026-11-03")), ("broken", b"{")])
    store.add(rows, NOW)
    before = counted(store), store.stats()
    reopened = place.open()
    reopened.use_definitions(evaluator)

    for each in (store, reopened):
        added = each.add(rows, NOW)

        assert (added.imported, added.duplicate) == (0, 50)
        assert (added.ignored, added.rejected) == (1, 1)
        assert added.timestamps_ms == []
        assert (counted(each), each.stats()) == before


def test_the_same_row_twice_in_a_batch_counts_once(store: Store, evaluator: Evaluator) -> None:
    row = ("a", blob("2026-11-03", SHOWN))

    added = store.add(batch(evaluator, [row, row]), NOW)

    assert (added.imported, added.duplicate) == (1, 1)
    assert store.stats().interactions == 1


@pytest.mark.parametrize("before", ["new", "the same", "another", "empty"])
def test_of_an_id_that_comes_readable_and_empty_the_readable_row_counts(
    store: Store, evaluator: Evaluator, before: str
) -> None:
    readable = ("a", blob("2026-11-03", SHOWN))
    held = {
        "the same": [readable],
        "another": [("a", blob("2026-11-03", SHOWN, SIGNED_IN))],
        "empty": [("a", blob("2026-11-03"))],
    }
    store.add(batch(evaluator, [*held.get(before, []), *some(3)]), NOW)

    added = store.add(batch(evaluator, [("a", blob("2026-11-03")), readable]), NOW)

    oracle = Oracle()
    oracle.add(batch(evaluator, [*some(3), readable]))
    assert (added.imported + added.duplicate, added.ignored) == (1, 1)
    assert_holds(store, oracle, evaluator)


def test_a_changed_row_replaces_what_was_counted(store: Store, evaluator: Evaluator) -> None:
    oracle = Oracle()
    rows = some(20)
    changed = [
        (rows[3][0], blob("2026-11-03T00:30", SHOWN, ENGAGED, SIGNED_IN, lang="pl")),
        (rows[4][0], blob("2026-11-07T23:00", SHOWN, number_sites_signed_in=77)),
        rows[5],
    ]
    for wanted in (rows, changed):
        oracle.add(batch(evaluator, wanted))
    store.add(batch(evaluator, rows), NOW)

    added = store.add(batch(evaluator, changed), NOW)

    assert (added.imported, added.duplicate) == (2, 1)
    assert added.timestamps_ms == []
    assert_holds(store, oracle, evaluator)


def test_a_row_may_change_again_and_again(store: Store, evaluator: Evaluator) -> None:
    oracle = Oracle()
    for n in (1, 2, 1, 3):
        rows = batch(evaluator, [("a", blob("2026-11-03", SHOWN, number_sites_signed_in=n))])
        oracle.add(rows)
        store.add(rows, NOW)

    assert_holds(store, oracle, evaluator)


def test_an_emptied_row_is_no_longer_counted_and_a_filled_one_is(
    store: Store, evaluator: Evaluator
) -> None:
    oracle = Oracle()
    full, empty = blob("2026-11-03", SHOWN, SIGNED_IN), blob("2026-11-03")
    for raw in (full, empty, empty, full):
        rows = batch(evaluator, [("a", raw), *some(2)])
        oracle.add(rows)

        store.add(rows, NOW)

        assert_holds(store, oracle, evaluator)


def test_an_ignored_row_needs_no_timestamp(store: Store, evaluator: Evaluator) -> None:
    rows = batch(evaluator, [("a", b"{}"), ("b", b'{"timestamp": "never"}')])

    store.add(rows, NOW)
    store.add(rows, NOW)

    assert store.stats().ignored == 2


def test_rejected_rows_are_kept_as_they_came_the_newest_first(
    store: Store, evaluator: Evaluator
) -> None:
    broken = {"a": b"{", "b": b"\xff\x00 no JSON", "c": b"[1]", "d": b"x" * 200_000}
    for id_, raw in broken.items():
        store.add(batch(evaluator, [(id_, raw)]), NOW)

    kept = store.rejected(10)

    assert [row.id for row in kept] == ["d", "c", "b", "a"]
    assert {row.id: row.raw for row in kept} == broken
    assert all(row.detail for row in kept)
    assert kept[0].refused_ms == int(NOW.timestamp() * 1000)
    assert [row.id for row in store.rejected(2)] == ["d", "c"]
    assert store.stats().rejected == {Reason.NOT_JSON: 3, Reason.NOT_AN_OBJECT: 1}


@pytest.mark.parametrize("readable", [blob("2026-11-03", SHOWN), blob("2026-11-03")])
def test_a_rejected_row_that_comes_readable_is_not_rejected_any_more(
    store: Store, evaluator: Evaluator, readable: bytes
) -> None:
    store.add(batch(evaluator, [("a", b"{")]), NOW)

    store.add(batch(evaluator, [("a", readable)]), NOW)

    assert store.stats().rejected == {}
    assert store.stats().accounted_for == 1


def test_a_rejected_row_never_replaces_a_readable_one(store: Store, evaluator: Evaluator) -> None:
    oracle = Oracle()
    for raw in (blob("2026-11-03", SHOWN), b"{", b"[]"):
        rows = batch(evaluator, [("a", raw), ("b", blob("2026-11-03") if raw[1:] else raw)])
        oracle.add(rows)
        store.add(rows, NOW)

    assert_holds(store, oracle, evaluator)


def test_accounted_for_is_every_row_that_ever_came(store: Store, evaluator: Evaluator) -> None:
    store.add(batch(evaluator, [*some(7), ("e", blob("2026-11-03")), ("r", b"?")]), NOW)

    assert store.stats().accounted_for == 9


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-11-03", "2026-11-08"),
        ("2026-11-03T05:00", "2026-11-04T17:00"),
        ("2026-11-04T05:00", "2026-11-04T06:00"),
        ("2026-11-04", "2026-11-04"),
        ("2020-01-01", "2020-02-01"),
    ],
)
def test_a_total_is_the_sum_of_its_hours(
    store: Store, evaluator: Evaluator, start: str, end: str
) -> None:
    rows = batch(evaluator, some(500))
    store.add(rows, NOW)
    first, last = hour(start), hour(end)
    expected: dict[tuple[str, str], dict[int, int]] = {}
    for key, counts in evaluator.tally(rows.interactions).items():
        if first <= key.hour < last:
            add(expected.setdefault((key.segmentation, key.segment), {}), counts)

    sums = [row for row in store.total(first, last) if row.counts]

    assert {(row.segmentation, row.segment): row.counts for row in sums} == expected
    assert {row.start for row in sums} <= {first}


def test_days_are_added_up_in_order(store: Store, evaluator: Evaluator) -> None:
    rows = batch(evaluator, some(400))
    store.add(rows, NOW)
    expected: Tally = {}
    for key, counts in evaluator.tally(rows.interactions).items():
        merge(expected, {key._replace(hour=key.hour - key.hour % 24): counts})

    days = list(store.by_day(hour("2026-11-01"), hour("2026-12-01")))

    assert [row.start for row in days] == sorted(row.start for row in days)
    assert {(row.start, row.segmentation, row.segment): row.counts for row in days} == expected


def test_only_the_segmentations_asked_for_come(store: Store, evaluator: Evaluator) -> None:
    store.add(batch(evaluator, some(100)), NOW)
    span = (hour("2026-11-01"), hour("2026-12-01"))

    for read in (store.total, store.by_day, store.by_hour):
        assert {row.segmentation for row in read(*span, ("", "Locale"))} == {"", "Locale"}
        assert list(read(*span, ())) == []


def test_numbers_of_sites_far_out_are_counted_exactly(store: Store, evaluator: Evaluator) -> None:
    oracle = Oracle()
    rows = batch(
        evaluator,
        [
            (f"s{n}", blob("2026-11-03", SHOWN, number_sites_signed_in=n))
            for n in (0, 1, 9, 10, 63, 64, 233, 234, 235, 999_999, 1_000_000, 1_000_001)
        ],
    )
    oracle.add(rows)

    store.add(rows, NOW)

    assert_holds(store, oracle, evaluator)
    (total,) = store.total(hour("2026-11-01"), hour("2026-12-01"), ("",))
    (day,) = store.by_day(hour("2026-11-01"), hour("2026-12-01"), ("",))
    assert total.counts == day.counts == next(iter(oracle.tally(evaluator).values()))


def test_interactions_come_back_by_timestamp(store: Store, evaluator: Evaluator) -> None:
    rows = [*some(30, first="2026-10-31T22:00"), ("early", blob("2026-10-31T23:15", SHOWN))]
    rows.append(("empty", blob("2026-11-01")))
    store.add(batch(evaluator, rows), NOW)
    start, end = ms("2026-10-31T23:00"), ms("2026-11-01T02:00")

    held = list(store.interactions(start, end))

    readable = [
        row for row in batch(evaluator, rows).interactions if start <= row.timestamp_ms < end
    ]
    expected = sorted((row.timestamp_ms, row.id) for row in readable)
    assert [(row.timestamp_ms, row.id) for row in held] == expected
    raw = {row.id: json.loads(row.raw) for row in readable}
    assert {row.id: json.loads(row.raw) for row in held} == raw


def test_it_is_known_when_an_interaction_got_its_content(
    store: Store, evaluator: Evaluator
) -> None:
    when = ms("2026-11-01")
    rows = [("same", blob("2026-11-01", SHOWN)), ("changed", blob("2026-11-01", SHOWN))]
    store.add(batch(evaluator, rows), NOW)
    rows[1] = ("changed", blob("2026-11-01", SHOWN, lang="de"))
    later = NOW + timedelta(hours=2)
    store.add(batch(evaluator, rows), later)

    arrived = {row.id: row.arrived_ms for row in store.interactions(when, when + 1)}

    assert arrived == {"same": ms_of(NOW), "changed": ms_of(later)}


@pytest.mark.parametrize(
    "id_",
    ["", "_id", "_design/x", "~", "a/b?c&d=é ☃%", "x" * 2_000, "tab\tnew\nline", "null", "0"],
)
def test_any_id_is_held_and_comes_back(store: Store, evaluator: Evaluator, id_: str) -> None:
    rows = batch(evaluator, [(id_, blob("2026-11-03", SHOWN))])

    store.add(rows, NOW)
    again = store.add(rows, NOW)

    assert again.duplicate == 1
    assert [row.id for row in store.interactions(0, 1 << 42)] == [id_]


@pytest.mark.parametrize(
    "fields",
    [
        {"_id": "other", "_rev": "3-abc"},
        {"_deleted": True},
        {"_attachments": {"a": {"data": "aGVsbG8="}}},
        {"batch": "x", "at": 0, "blob": None, "before": []},
        {"text": 'quote " back \\ slash \u2028 \x00 é ☃ 💥'},
        {"numbers": [0, -1, 1.5, 1e300, 2**52, 0.1]},
        {"nested": [[[[[[{"a": {"b": {"c": []}}}]]]]]]},
    ],
    ids=str,
)
def test_any_blob_is_held_as_it_is(store: Store, evaluator: Evaluator, fields: Any) -> None:
    raw = blob("2026-11-03", SHOWN, **fields)
    store.add(batch(evaluator, [("a", raw)]), NOW)

    (held,) = store.interactions(0, 1 << 42)

    assert json.loads(held.raw) == json.loads(raw)
    assert store.add(batch(evaluator, [("a", raw)]), NOW).duplicate == 1


def test_notes_are_remembered(place: Place, store: Store, evaluator: Evaluator) -> None:
    assert store.note("position") is None
    store.remember("position", "2026-11-03")
    store.remember("position", "2026-11-04 ☃")
    reopened = place.open()
    reopened.use_definitions(evaluator)

    assert reopened.note("position") == "2026-11-04 ☃"
    assert reopened.note("another") is None


def test_a_repair_makes_the_counts_right_whatever_they_were(
    store: Store, evaluator: Evaluator
) -> None:
    store.add(batch(evaluator, some(60)), NOW)
    right = counted(store)
    hours = {key.hour for key in right}
    wrong = {key: {slot: n + 5 for slot, n in counts.items()} for key, counts in right.items()}
    extra = {next(iter(right))._replace(hour=hour("2026-11-03T23:00")): {0: 4}}

    store.repair([*hours, hour("2026-11-03T23:00")], wrong | extra)
    assert counted(store) == wrong | extra
    store.repair([*hours, hour("2026-11-03T23:00")], right)

    assert counted(store) == right
    (total,) = store.total(min(hours), max(hours) + 1, ("",))
    assert total.counts[evaluator.layout.attempts] == 60


def test_a_repair_leaves_other_hours_alone(store: Store, evaluator: Evaluator) -> None:
    store.add(batch(evaluator, some(60)), NOW)
    before = counted(store)

    store.repair([hour("2026-11-03T02:00")], {})

    assert counted(store) == {k: c for k, c in before.items() if k.hour != hour("2026-11-03T02:00")}


def test_whole_months_past_the_cutoff_are_dropped(store: Store, evaluator: Evaluator) -> None:
    oracle = Oracle()
    old, new = some(40, first="2026-09-30T20:00"), some(25, first="2026-11-03")
    kept = [row for row in new if row[0] not in dict(old)]
    store.add(batch(evaluator, old), NOW)
    store.add(batch(evaluator, [(f"n{id_}", raw) for id_, raw in new]), NOW)
    oracle.add(batch(evaluator, [(f"n{id_}", raw) for id_, raw in new]))
    assert kept == []

    dropped = store.drop_before(hour("2026-11-01"))

    assert dropped == 40
    assert store.stats().dropped == 40
    assert_holds(store, oracle, evaluator)
    assert store.stats().accounted_for == 65
    assert [row.id for row in store.interactions(0, 1 << 42)] == sorted(oracle.interactions)
    assert store.drop_before(hour("2026-11-01")) == 0


def test_ignored_rows_go_with_their_month_and_stay_accounted_for(
    store: Store, evaluator: Evaluator
) -> None:
    rows = [("old", blob("2026-09-30")), ("new", blob("2026-11-03")), ("undated", b"{}")]
    early = [("seconds", b'{"timestamp": 1380000000}')]  # fetched again with the strays
    store.add(batch(evaluator, [*rows, *early, *some(3, first="2026-09-30")]), NOW)

    assert store.drop_before(hour("2026-11-01")) == 3

    assert {row.id for row in store.ignored()} >= {"new", "undated"}
    assert "old" not in {row.id for row in store.ignored()}
    assert store.stats().accounted_for == 7


def test_several_threads_may_use_a_store(store: Store, evaluator: Evaluator) -> None:
    oracle = Oracle()
    parts = [batch(evaluator, some(60)[n : n + 20]) for n in range(0, 60, 10)]
    for part in parts:
        oracle.add(part)

    with ThreadPoolExecutor(4) as threads:
        done = [threads.submit(store.add, part, NOW) for part in parts]
        read = [threads.submit(counted, store) for _ in range(4)]
    assert all(future.exception() is None for future in read)

    assert sum(future.result().imported for future in done) == 60
    assert_holds(store, oracle, evaluator)


def test_what_was_collected_is_held_apart_from_the_sources_rows(
    place: Place, store: Store, evaluator: Evaluator
) -> None:
    rows = [*some(30), ("empty", blob("2026-11-03")), ("broken", b"{")]
    store.add(batch(evaluator, rows), NOW)
    before = store.stats()
    more = [(f"more {id_}", raw) for id_, raw in rows]

    store.add(replace(batch(evaluator, [*rows, *more]), collected=True), NOW)

    stats = store.stats()
    assert stats.interactions == 60
    assert stats.collected == 32
    assert stats.accounted_for == before.accounted_for == 32
    reopened = place.open()
    reopened.use_definitions(evaluator)
    assert reopened.stats() == stats


def test_a_collected_row_that_was_rejected_stays_collected_when_it_is_retried(
    store: Store, evaluator: Evaluator
) -> None:
    ahead = blob("2027-01-03", SHOWN)  # of NOW, but not of the clock when it is tried again
    for collected in (True, False):
        rows = [Row(f"{'posted' if collected else 'imported'} {n}", ahead) for n in range(3)]
        refused = evaluator.read(rows, newest_ms=ms_of(NOW))
        rejected = [each for each in refused if isinstance(each, Rejected)]
        store.add(Batch(rejected=rejected, collected=collected), NOW)
    before = store.stats()

    retried = retry(store, evaluator, store.rejected(10), NOW + timedelta(days=365))

    after = store.stats()
    assert retried.imported == 6
    assert (before.collected, before.accounted_for) == (3, 3)
    assert (after.collected, after.accounted_for) == (3, 3)


def test_collected_rows_that_change_are_collected_once(store: Store, evaluator: Evaluator) -> None:
    for n in range(3):
        row = ("a", blob("2026-11-03", SHOWN, number_emails=n))
        store.add(replace(batch(evaluator, [row]), collected=True), NOW)
    store.add(batch(evaluator, [("a", blob("2026-11-03", SHOWN, ENGAGED))]), NOW)

    stats = store.stats()
    assert (stats.interactions, stats.collected, stats.accounted_for) == (1, 1, 0)
