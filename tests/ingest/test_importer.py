"""One import: windows, positions, and every row accounted for."""

from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from exporter.ingest.importer import AHEAD, OVERLAP, Progress
from exporter.ingest.ranges import SHORTEST
from exporter.ports import AddResult, SourceError, SourceTooSlowError
from tests.ingest.world import DAY, HOUR, MINUTE, NEW_YEAR, World

MANY = 200_000
"""So many more rows make a source one that is not asked for all of them at once."""


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def summed(added: list[AddResult]) -> Counter[str]:
    """The four numbers, those above 0."""
    total = Counter[str]()
    for one in added:
        total.update(one.counts)
    return +total


def fill(world: World, n: int, *, over: timedelta = 20 * DAY) -> None:
    for number in range(n):
        world.post(f"{number}", ago=over * (number + 1) / n)


def windows(world: World) -> list[tuple[datetime, datetime]]:
    """The ranges that imports asked for, strays aside."""
    return [
        (start, end) for start, end in world.shelf.ranges if end is not None and start.year > 2000
    ]


def test_every_row_becomes_one_of_four_and_they_add_up(world: World) -> None:
    fill(world, 120)
    world.post("empty", event_stream=[])
    world.post("none", event_stream=None)
    world.post("bad", event_stream="screen.rp_info")
    world.post("seconds", timestamp=1_767_225_600)

    first = world.run()
    fetched = world.fetches()
    again = world.run()

    assert summed(first) == {"imported": 120, "ignored": 2, "rejected": 2}
    assert sum(summed(first).values()) == fetched
    assert sum(summed(again).values()) == world.fetches()
    assert summed(again)["imported"] == 0
    assert world.counts() == world.right_counts()


def test_the_first_import_reaches_so_far_back_and_a_day_ahead(world: World) -> None:
    world.post("within", ago=30 * DAY)
    world.post("before", ago=30 * DAY + MINUTE)
    world.post("ahead", ago=-DAY + MINUTE)

    world.run()

    assert world.names() == {"within", "ahead"}
    assert windows(world)[0][0] == NEW_YEAR - 30 * DAY
    assert windows(world)[-1][1] == NEW_YEAR + AHEAD


def test_a_later_import_begins_where_the_last_one_ended_with_an_overlap(world: World) -> None:
    world.post("one", ago=timedelta(0))
    world.run()
    world.shelf.ranges.clear()
    world.now += 5 * MINUTE

    world.run()

    assert windows(world)[0] == (NEW_YEAR - OVERLAP, world.now + AHEAD)


def test_windows_lie_side_by_side_and_never_end_before_they_begin(world: World) -> None:
    fill(world, 400)
    world.run()
    asked = windows(world)

    assert all(start < end for start, end in asked)
    assert all(end == start for (_, end), (start, _) in pairwise(asked))


def test_windows_begin_short_and_grow_fast_where_nothing_is(world: World) -> None:
    world.run()
    lengths = [end - start for start, end in windows(world)]

    assert lengths[0] < 20 * MINUTE
    assert len(lengths) < 10
    assert max(lengths) > 7 * DAY


def test_of_a_source_that_holds_much_no_window_is_longer_than_a_week(world: World) -> None:
    world.shelf.miscount = MANY
    world.run()

    assert max(end - start for start, end in windows(world)) <= 7 * DAY + 15 * MINUTE


def test_windows_shrink_after_one_that_brought_much(world: World) -> None:
    world.shelf.miscount = MANY
    fill(world, 42_000, over=13 * DAY)
    world.run()
    lengths = [end - start for start, end in windows(world)]

    assert max(lengths) > 6 * DAY
    assert lengths[-2] < 4 * DAY  # the last one ends where the range does
    assert world.store.stats().interactions == 42_000


def test_nothing_is_asked_for_from_before_2000_nor_beyond_a_day_ahead(world: World) -> None:
    list(
        world.importer.run(
            world.evaluator,
            world.now,
            since=datetime(1, 1, 1, tzinfo=UTC),
            until=datetime(9000, 1, 1, tzinfo=UTC),
        )
    )

    starts, ends = zip(*world.shelf.ranges, strict=True)
    assert min(starts) == datetime(2000, 1, 1, tzinfo=UTC)
    assert max(ends) == world.now + AHEAD
    assert len(starts) < 2_000


def test_after_a_window_of_which_nothing_came_in_time_the_next_import_asks_for_a_shorter_one(
    world: World,
) -> None:
    fill(world, 600, over=2 * DAY)
    world.shelf.too_slow_above = 60
    failures = 0
    while failures < 100:
        with suppress(SourceTooSlowError):
            world.run()
            break
        failures += 1

    assert 0 < failures < 100
    assert len(world.names()) == 600
    assert world.counts() == world.right_counts()


def test_a_window_that_is_too_slow_is_cut_until_it_comes(world: World) -> None:
    fill(world, 600, over=2 * DAY)
    world.shelf.too_slow_above, world.shelf.given_in_time = 60, 50

    world.run()

    assert len(world.names()) == 600
    assert world.counts() == world.right_counts()


def test_a_window_that_is_too_slow_at_its_shortest_ends_the_import(world: World) -> None:
    fill(world, 600, over=HOUR)
    world.shelf.too_slow_above, world.shelf.given_in_time = 1, 1

    with pytest.raises(SourceTooSlowError):
        world.run()

    shortest = min(end - start for start, end in windows(world))
    assert shortest <= SHORTEST + 5 * MINUTE
    assert len(windows(world)) < 40


def test_a_source_that_answers_nothing_is_asked_no_more(world: World) -> None:
    world.shelf.silent = True

    with pytest.raises(SourceTooSlowError):
        world.run()

    assert world.shelf.ranges == []


def test_what_was_stored_before_a_failure_stays_and_the_next_import_goes_on(world: World) -> None:
    world.shelf.miscount = MANY
    fill(world, 500)
    world.shelf.fails_after = 12
    with pytest.raises(SourceError):
        world.run()
    stored = len(world.names())
    world.shelf.fails_after = None
    world.shelf.ranges.clear()

    world.run()

    assert 0 < stored < 500
    assert windows(world)[0][0] > NEW_YEAR - 25 * DAY
    assert len(world.names()) == 500
    assert world.counts() == world.right_counts()


@pytest.mark.parametrize("portions", range(1, 12))
def test_an_import_killed_after_any_portion_is_taken_up_again(
    tmp_path: Path, portions: int
) -> None:
    world = World(tmp_path)
    fill(world, 500)

    world.run(portions=portions)
    world.restart()
    world.run()

    assert len(world.names()) == 500
    assert world.counts() == world.right_counts()
    assert world.balance.missing == 0


def test_an_import_that_is_told_to_stop_ends_after_its_portion(world: World) -> None:
    world.shelf.miscount = MANY
    fill(world, 500)
    portions: list[Progress] = []
    portions.extend(
        world.reconciler.import_all(world.evaluator, world.now, stopped=lambda: bool(portions))
    )

    assert len(portions) == 1
    assert 0 < len(world.names()) < 500
    world.run()
    assert len(world.names()) == 500


def test_the_same_range_three_times_is_the_range_once(world: World) -> None:
    fill(world, 200)
    for _ in range(3):
        list(world.importer.run(world.evaluator, world.now, since=NEW_YEAR - 30 * DAY))

    assert len(world.names()) == 200
    assert world.counts() == world.right_counts()


def test_a_range_by_hand_does_not_move_the_position(world: World) -> None:
    fill(world, 10)
    world.run()
    before = world.importer.position()
    list(
        world.importer.run(
            world.evaluator, world.now, since=NEW_YEAR - 90 * DAY, until=NEW_YEAR - 60 * DAY
        )
    )

    assert world.importer.position() == before


def test_what_lies_behind_the_newest_complete_hour_is_late(world: World) -> None:
    world.post("first", ago=timedelta(0))
    world.run()
    assert world.late == 0
    world.now += 2 * HOUR + 30 * MINUTE
    world.post("in time")
    world.post("late", ago=2 * HOUR + 40 * MINUTE)

    world.run()

    assert world.late == 1
    assert world.names() == {"first", "in time", "late"}


def test_a_changed_revision_replaces_the_interaction_and_its_counts(world: World) -> None:
    world.post("one", event_stream=[["screen.rp_info", 1]])
    world.post("other", ago=20 * MINUTE)
    world.run()
    world.post("one", event_stream=[["assertion_generated", 1]], number_sites_signed_in=4)

    assert summed(world.run())["imported"] == 1
    assert len(world.names()) == 2
    assert world.counts() == world.right_counts()
    assert world.balance.missing == 0


@pytest.mark.parametrize(
    "change",
    [
        {"event_stream": []},
        {"event_stream": "nonsense"},
        {"timestamp": None},
        {"timestamp": 5},
    ],
    ids=["emptied", "spoilt", "without a timestamp", "in another time"],
)
def test_a_revision_that_cannot_be_used_is_accounted_for_once(
    world: World, change: dict[str, Any]
) -> None:
    world.post("one")
    world.post("other")
    world.run()
    world.post("one", **change)

    world.idle(2 * DAY)

    assert world.store.stats().accounted_for == 2
    assert world.counts() == world.right_counts()
    assert world.balance.missing == 0


@pytest.mark.parametrize("first", [{"event_stream": "nonsense"}, {"event_stream": []}])
def test_what_becomes_readable_is_counted_and_no_longer_set_aside(
    world: World, first: dict[str, Any]
) -> None:
    world.post("one", **first)
    world.run()
    world.post("one")

    world.run()

    held = world.store.stats()
    assert (held.interactions, held.ignored, sum(held.rejected.values())) == (1, 0, 0)


def test_a_row_too_far_ahead_is_refused_until_its_time_comes(world: World) -> None:
    world.post("now")
    world.post("ahead", ago=-3 * DAY)
    world.run()
    world.go_on(26 * HOUR)
    assert sum(world.store.stats().rejected.values()) == 1

    world.go_on(2 * DAY)

    assert world.names() == {"now", "ahead"}
    assert sum(world.store.stats().rejected.values()) == 0
    assert world.balance.missing == 0


# Clocks


def test_a_clock_that_ran_ahead_leaves_no_gap(world: World) -> None:
    world.post("before")
    world.now += 5 * HOUR
    world.run()
    world.now -= 5 * HOUR
    for n in range(8):
        world.now += 40 * MINUTE
        world.post(f"{n}", ago=timedelta(0))
    world.run()

    assert len(world.names()) == 9


def test_a_clock_that_runs_behind_loses_nothing(world: World) -> None:
    world.now -= 3 * DAY
    world.run()
    world.now += 3 * DAY
    world.post("now")

    world.run()

    assert world.names() == {"now"}


@pytest.mark.parametrize(
    "wrong", [datetime(1970, 1, 1, tzinfo=UTC), datetime(2000, 1, 1, tzinfo=UTC)]
)
def test_a_clock_of_long_ago_has_nothing_fetched_again(world: World, wrong: datetime) -> None:
    fill(world, 99)
    world.post("newest")
    world.post("ancient", ago=3_000 * DAY)
    world.run()
    right, world.now = world.now, wrong
    world.run()
    world.now = right + HOUR
    world.fetches()
    world.shelf.ranges.clear()

    world.run()

    assert windows(world)[0][0] > right - HOUR
    assert len(world.names()) == 100
    assert sum(world.store.stats().rejected.values()) == 0


def test_a_first_import_under_a_clock_of_long_ago_refuses_nothing(world: World) -> None:
    fill(world, 100)
    right, world.now = world.now, datetime(1970, 1, 1, tzinfo=UTC)
    world.run()
    world.now = right

    world.run()

    assert len(world.names()) == 100
    assert sum(world.store.stats().rejected.values()) == 0


@pytest.mark.parametrize("step", [HOUR, 2 * DAY, -HOUR, -2 * DAY])
def test_imports_under_a_clock_that_steps_ask_for_no_negative_window(
    world: World, step: timedelta
) -> None:
    fill(world, 50)
    world.go_on(3 * HOUR)
    world.now += step
    world.run()
    world.now -= step
    world.go_on(3 * HOUR)

    assert all(start < end for start, end in windows(world))
    assert len(world.names()) == 50
