"""Late rows, unequal counts, and what is out of reach."""

from datetime import timedelta
from pathlib import Path

import pytest

from exporter.ingest.sweeps import Sweeps, Tier
from tests.builders import ANY_TIME_MS
from tests.ingest.world import DAY, HOUR, MINUTE, NEW_YEAR, World, looking_at


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A world with a past of 30 days, imported already."""
    return with_a_past(World(tmp_path))


def with_a_past(world: World, *, per_day: int = 4) -> World:
    for n in range(30 * per_day):
        world.post(f"past {n}", ago=n * DAY / per_day + 10 * MINUTE)
    world.run()
    world.fetches()
    return world


def pass_quietly(world: World, length: timedelta, *, every: timedelta = HOUR) -> int:
    """Let time pass in which nothing happens; how many rows were fetched beyond the newest."""
    world.fetches()
    imports = length // every
    world.go_on(length, every)
    return world.fetches() - 2 * imports  # the newest one, and the one before in the overlap


# Equal counts


def test_while_counts_are_equal_nothing_more_is_fetched(world: World) -> None:
    assert pass_quietly(world, 80 * DAY, every=DAY) == 0
    assert world.balance.missing == 0


def test_now_and_then_all_is_fetched_again_whatever_the_counts_say(world: World) -> None:
    world.go_on(20 * DAY, every=DAY)
    world.post("past 100", ago=30 * DAY, number_sites_signed_in=3)  # a new revision
    world.delete("past 50")
    world.post("late", ago=30 * DAY)  # hides behind the deletion
    world.run()
    assert world.balance.missing == 0  # so it seems

    world.go_on(world.sweeps.everything, every=DAY)

    assert "late" in world.names()
    assert world.counts() == world.right_counts()
    (revised,) = [one for one in world.store.interactions(0, ANY_TIME_MS) if one.id == "past 100"]
    assert revised.raw == world.stored_as("past 100").raw


def test_a_sweep_of_everything_costs_each_row_once(world: World) -> None:
    fetched = pass_quietly(world, world.sweeps.everything + 5 * DAY, every=DAY)

    rows = 120 + 95
    assert 0.9 * rows < fetched < 1.1 * rows


# Late rows


@pytest.mark.parametrize("days", [0.06, 0.3, 1, 3.9, 10, 20, 63.9, 75])
def test_a_late_row_is_in_with_the_next_import_whatever_its_age(world: World, days: float) -> None:
    world.go_on(80 * DAY, every=DAY)
    world.post("late", ago=days * DAY)

    world.run()

    assert "late" in world.names()
    assert world.counts() == world.right_counts()
    assert world.balance.missing == 0


def test_late_rows_all_the_time_are_in_within_the_hour_and_not_all_the_time_fetched(
    world: World,
) -> None:
    world.go_on(DAY)
    waiting: dict[str, int] = {}
    world.fetches()
    for n in range(100):
        world.now += 5 * MINUTE
        world.post(f"late {n}", ago=20 * DAY)
        waiting[f"late {n}"] = n
        world.run()
        for name in world.names() & waiting.keys():
            assert n - waiting.pop(name) <= 12

    assert len(waiting) < 12
    assert world.fetches() < (100 // 6 + 2) * 350


def test_looking_ends_as_soon_as_nothing_is_missing(world: World) -> None:
    world.go_on(30 * DAY, every=DAY)
    world.post("late", ago=5 * HOUR)
    world.go_on(3 * HOUR)
    assert "late" in world.names()

    assert pass_quietly(world, 40 * DAY, every=6 * HOUR) == 0


def test_late_rows_in_the_running_day_do_not_starve_the_import(tmp_path: Path) -> None:
    world = with_a_past(World(tmp_path, sweeps=looking_at(HOUR, DAY, rows=40)), per_day=40)
    for n in range(150):
        world.now += 20 * MINUTE
        world.post(f"new {n}")
        world.post(f"late {n}", ago=timedelta(hours=1 + n % 20))
        world.run()
        assert (position := world.importer.position())
        assert position >= world.now - 10 * MINUTE

    world.go_on(2 * DAY)
    assert world.balance.missing == 0
    assert world.counts() == world.right_counts()


def test_a_run_fetches_a_bounded_number_of_rows_again_and_the_next_goes_on(tmp_path: Path) -> None:
    world = World(tmp_path, sweeps=looking_at(rows=100))
    world.shelf.miscount = 200_000  # it is not asked for all at once
    with_a_past(world, per_day=40)
    world.now += DAY
    world.post("late", ago=29 * DAY)
    fetched = []
    for _ in range(60):
        world.now += 5 * MINUTE
        world.fetches()
        world.run()
        fetched.append(world.fetches())
        if "late" in world.names():
            break

    assert "late" in world.names()
    assert max(fetched) < 3 * 7 * 40
    assert len(fetched) > 1


# Out of reach


def test_what_no_range_returns_is_reported_and_not_looked_for_for_ever(world: World) -> None:
    world.go_on(7 * DAY, every=8 * HOUR)
    world.post("without", timestamp=None)
    world.go_on(3 * DAY, every=8 * HOUR)

    assert world.balance.missing == 0
    assert world.balance.unreachable == 1
    assert pass_quietly(world, 30 * DAY, every=6 * HOUR) <= 30  # the strays, once a day


def test_rows_from_before_the_history_are_out_of_reach_at_once(tmp_path: Path) -> None:
    world = World(tmp_path)
    for n in range(20):
        world.post(f"before {n}", ago=(40 + n) * DAY)
    with_a_past(world)

    assert world.balance.missing == 0
    assert world.balance.unreachable == 20
    assert len(world.names()) == 120

    late = "late after all"
    world.post(late, ago=5 * HOUR)
    world.go_on(2 * HOUR)
    assert late in world.names()
    assert world.balance.missing == 0


def test_timestamps_that_are_strings_are_fetched_by_a_request_without_end(world: World) -> None:
    world.go_on(2 * DAY)
    at = world.now - 2 * HOUR
    world.post("string", timestamp=str(int(at.timestamp() * 1000)))

    world.go_on(DAY + HOUR)

    assert "string" in world.names()
    assert world.counts() == world.right_counts()
    assert world.balance.missing == 0


def test_timestamps_in_seconds_are_fetched_refused_and_accounted_for(world: World) -> None:
    world.go_on(2 * DAY)
    world.post("seconds", timestamp=int(world.now.timestamp()))
    world.post("negative", timestamp=-5)

    world.go_on(DAY + HOUR)

    held = world.store.stats()
    assert {reason.value: n for reason, n in held.rejected.items()} == {
        "timestamp_in_seconds": 1,
        "timestamp_out_of_range": 1,
    }
    assert world.balance.missing == 0


def test_a_late_row_is_not_taken_for_one_out_of_reach(tmp_path: Path) -> None:
    """A sweep of everything takes many runs, and late rows come behind it meanwhile."""
    world = World(tmp_path, sweeps=looking_at(HOUR, DAY, 16 * DAY, rows=60, everything=3 * DAY))
    with_a_past(world, per_day=20)
    world.post("without", timestamp=None)
    for n in range(24 * 12):
        world.now += HOUR
        world.post(f"new {n}")
        if n % 5 == 0:
            world.post(f"late {n}", ago=timedelta(hours=2 + 7 * n % 300))
        world.run()
    world.go_on(20 * DAY)

    assert {f"late {n}" for n in range(0, 24 * 12, 5)} <= world.names()
    assert world.balance.missing == 0
    assert world.balance.unreachable == 1


# Rows that go


def test_what_the_source_deletes_stays_here(world: World) -> None:
    for n in range(60):
        world.delete(f"past {2 * n}")

    world.go_on(30 * DAY, every=6 * HOUR)

    assert len(world.names()) == 120
    assert world.counts() == world.right_counts()
    assert world.balance.missing == 0


def test_a_late_row_that_hides_behind_a_deletion_is_found(world: World) -> None:
    world.go_on(2 * DAY)
    world.delete("past 7")
    world.delete("past 8")
    world.post("late", ago=20 * HOUR)
    world.run()
    assert world.balance.missing == 0  # so it seems

    world.go_on(DAY)

    assert "late" in world.names()
    assert world.balance.missing == 0
    assert world.counts() == world.right_counts()


def test_after_a_deletion_all_is_fetched_again_once(world: World) -> None:
    world.delete("past 7")
    in_doubt = pass_quietly(world, 3 * DAY, every=6 * HOUR)

    assert 119 <= in_doubt <= 2 * 140  # and once more a day later
    assert pass_quietly(world, 50 * DAY, every=6 * HOUR) == 0


def test_a_source_that_shrinks_for_a_while_changes_nothing(world: World) -> None:
    half, world.shelf.rows = world.shelf.rows, dict(list(world.shelf.rows.items())[::2])
    world.idle(DAY)
    world.shelf.rows = half
    world.go_on(20 * DAY, every=6 * HOUR)

    assert len(world.names()) == 120
    assert world.balance.missing == 0
    assert pass_quietly(world, 5 * DAY) == 0


# Counts that are wrong, or not there


def test_a_count_that_is_too_low_once_is_not_believed(world: World) -> None:
    world.go_on(2 * DAY)
    world.post("late", ago=5 * HOUR)
    world.shelf.miscount = -50
    world.run()
    world.shelf.miscount = 0

    world.go_on(2 * HOUR)

    assert "late" in world.names()
    assert world.balance.missing == 0
    assert pass_quietly(world, 5 * DAY) == 0


@pytest.mark.parametrize("wrong", [-50, 50])
def test_a_count_that_is_wrong_at_the_first_import_is_doubted(tmp_path: Path, wrong: int) -> None:
    world = World(tmp_path)
    world.shelf.miscount = wrong
    with_a_past(world)
    world.shelf.miscount = 0
    world.post("late", ago=20 * HOUR)

    world.go_on(2 * DAY, every=6 * HOUR)

    assert "late" in world.names()
    assert world.balance.missing == 0
    assert world.balance.unreachable == 0


@pytest.mark.parametrize("runs", [1, 5])
def test_a_count_that_is_too_low_when_a_sweep_is_due_is_put_right_by_the_next(
    tmp_path: Path, runs: int
) -> None:
    world = World(tmp_path, sweeps=Sweeps(everything=10 * DAY, rows=1_000_000))
    with_a_past(world)
    world.go_on(10 * DAY - HOUR - runs * HOUR)
    world.shelf.miscount = -50
    world.go_on((runs + 1) * HOUR)  # in the last of these everything is fetched again
    world.shelf.miscount = 0

    world.go_on(2 * DAY)

    assert world.balance.missing == 0
    assert world.balance.unreachable == 0


def test_a_count_that_is_too_low_while_a_sweep_is_under_way_is_doubted_after_it(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, sweeps=Sweeps(everything=10 * DAY, rows=50))
    with_a_past(world)
    world.go_on(10 * DAY)
    world.shelf.miscount = -50
    world.go_on(12 * HOUR)
    world.shelf.miscount = 0

    world.go_on(8 * DAY)

    assert world.balance.missing == 0
    assert world.balance.unreachable == 0


@pytest.mark.parametrize("pattern", [(1000, -1000), (1000, 1000), (-1000, -1000)])
def test_after_counts_that_were_wrong_for_a_day_everything_is_right_again(
    world: World, pattern: tuple[int, ...]
) -> None:
    world.go_on(2 * DAY)
    for hour in range(24):
        world.shelf.miscount = pattern[hour % len(pattern)]
        world.post(f"late {hour}", ago=5 * HOUR)
        world.go_on(HOUR)
    world.shelf.miscount = 0

    world.go_on(20 * DAY, every=6 * HOUR)

    assert {f"late {hour}" for hour in range(24)} <= world.names()
    assert world.balance.missing == 0
    assert world.balance.unreachable == 0


def test_a_source_that_cannot_count_is_fetched_again_by_tiers(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.shelf.counts = False
    with_a_past(world)
    assert world.balance.missing is None
    tiers = {
        "within an hour": (20 * HOUR, HOUR),
        "within a day": (20 * DAY, DAY),
        "within a week": (29 * DAY, 7 * DAY),
    }
    world.go_on(8 * DAY)
    for name, (ago, _) in tiers.items():
        world.post(name, ago=ago)

    for name, (_, within) in sorted(tiers.items(), key=lambda tier: tier[1][1]):
        world.go_on(within + HOUR)
        assert name in world.names()
    assert world.counts() == world.right_counts()


def test_tiers_fetch_as_often_as_they_say_and_no_more(tmp_path: Path) -> None:
    tiers = (Tier(up_to=DAY, every=HOUR), Tier(up_to=10 * DAY, every=DAY), Tier(every=7 * DAY))
    world = World(tmp_path, sweeps=Sweeps(uncounted=tiers))
    world.shelf.counts = False
    with_a_past(world, per_day=1)
    for n in range(14 * 24):
        world.now += HOUR
        if n % 24 == 12:
            world.post(f"new {n}")
        world.run()
    fetched = world.fetches()

    hourly, daily, weekly = 14 * 24, 14 * 9, 2 * 30
    assert hourly * 0.9 < fetched < (hourly + daily + weekly) * 1.5 + 14 * 24


def test_a_count_that_stays_away_for_a_while_does_not_hide_late_rows(world: World) -> None:
    world.go_on(2 * DAY)
    world.shelf.counts = False
    world.go_on(DAY)
    world.post("late", ago=20 * HOUR)
    world.go_on(2 * HOUR)
    world.shelf.counts = True
    world.go_on(2 * DAY)

    assert "late" in world.names()
    assert world.balance.missing == 0


def test_a_count_that_comes_after_the_first_import_hides_nothing_for_long(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.shelf.counts = False
    with_a_past(world)
    world.post("late", ago=20 * HOUR)
    world.shelf.counts = True

    world.go_on(2 * DAY)

    assert "late" in world.names()
    assert world.balance.missing == 0
    assert world.balance.unreachable == 0


def test_an_empty_source_that_fills_is_imported_from_its_first_row(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.shelf.counts = False  # as CouchDB when it is empty
    world.idle(5 * HOUR)
    world.shelf.counts = True
    world.post("first")
    world.post("late", ago=10 * DAY)
    world.idle(HOUR)

    assert world.names() == {"first", "late"}
    assert world.balance.missing == 0


# Clocks, retention, restarts


@pytest.mark.parametrize("wrong", [5 * HOUR, 3 * DAY, 400 * DAY, -5 * HOUR, -3 * DAY])
def test_late_rows_are_found_after_the_clock_was_wrong(world: World, wrong: timedelta) -> None:
    world.go_on(5 * DAY)
    world.now += wrong
    world.go_on(3 * HOUR)
    world.now -= wrong
    world.post("late", ago=2 * HOUR)
    world.go_on(5 * HOUR)
    assert "late" in world.names()

    world.post("later", ago=20 * HOUR)
    world.go_on(20 * DAY, every=6 * HOUR)
    assert "later" in world.names()
    assert world.balance.missing == 0
    assert pass_quietly(world, 5 * DAY) <= 5


def test_what_retention_dropped_is_not_fetched_again(tmp_path: Path) -> None:
    world = World(tmp_path, retention=40 * DAY)
    with_a_past(world)
    world.go_on(30 * DAY, every=DAY)
    cutoff = int((world.now - 40 * DAY).timestamp() // 3600)
    assert world.store.drop_before(cutoff) > 50
    kept = world.names()
    world.post("late", ago=20 * DAY)
    world.post("too late", ago=50 * DAY)

    world.go_on(world.sweeps.everything + 9 * DAY, every=DAY)

    assert world.names() == kept | {"late"}
    assert world.balance.missing == 0
    assert world.balance.unreachable == 1


def test_the_ledger_outlives_the_process(world: World) -> None:
    world.go_on(30 * DAY, every=DAY)
    world.post("late", ago=20 * DAY)
    world.run(portions=1)
    world.restart()
    assert world.balance.missing == 1

    world.go_on(HOUR)

    assert "late" in world.names()
    assert world.now > NEW_YEAR
