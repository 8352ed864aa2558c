"""The schedule under clocks that do not go as they should."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from exporter.clock import now
from exporter.daemon.schedule import Schedule, _Next, _next_hour
from testing.waiting import eventually

HOUR = timedelta(hours=1)


class Clock:
    """The real one, off by so much."""

    def __init__(self) -> None:
        self.off = timedelta(0)

    def __call__(self) -> datetime:
        return now() + self.off


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def schedule(clock: Clock) -> Iterator[Schedule]:
    schedule = Schedule(clock, watch_seconds=0.02)
    yield schedule
    schedule.stop()


def test_work_runs_at_once_and_again(schedule: Schedule) -> None:
    runs: list[datetime] = []
    schedule.every(timedelta(seconds=1), "work", lambda: runs.append(now()), first=now())
    schedule.start()

    eventually(lambda: len(runs) >= 2)


def test_the_same_work_never_runs_twice_at_once(schedule: Schedule) -> None:
    inside = threading.Semaphore(1)
    overlapped, runs = [], []
    leave = threading.Event()

    def work() -> None:
        runs.append(1)
        if not inside.acquire(blocking=False):
            overlapped.append(1)
        leave.wait(2.5)
        inside.release()

    schedule.every(timedelta(seconds=1), "work", work, first=now())
    schedule.start()
    eventually(lambda: len(runs) == 2)
    leave.set()

    assert not overlapped


def test_work_under_a_name_replaces_what_had_it(schedule: Schedule) -> None:
    runs: list[str] = []
    schedule.every(HOUR, "work", lambda: runs.append("old"), first=now() + HOUR)
    schedule.every(HOUR, "work", lambda: runs.append("new"), first=now())
    schedule.start()

    eventually(lambda: bool(runs))
    assert runs == ["new"]


def test_when_the_clock_is_set_back_what_is_scheduled_does_not_wait_for_it(
    schedule: Schedule, clock: Clock
) -> None:
    runs: list[datetime] = []
    clock.off = 3 * HOUR
    schedule.every(HOUR, "work", lambda: runs.append(now()), first=clock())
    schedule.start()
    clock.off = timedelta(0)

    eventually(lambda: bool(runs))


def test_a_clock_that_is_set_right_by_seconds_hurries_nothing(
    schedule: Schedule, clock: Clock
) -> None:
    runs: list[datetime] = []
    schedule.every(HOUR, "work", lambda: runs.append(now()), first=now() + HOUR)
    schedule.every(timedelta(seconds=1), "other", lambda: clock_steps(clock), first=now())
    schedule.start()

    eventually(lambda: clock.off < timedelta(seconds=-1))
    assert not runs


def clock_steps(clock: Clock) -> None:
    clock.off -= timedelta(seconds=1)


@pytest.mark.parametrize("ahead", [timedelta(days=365), timedelta(days=56 * 365)])
def test_a_clock_that_leaps_ahead_misses_one_run(ahead: timedelta) -> None:
    trigger = _Next(lambda now: now + HOUR / 60)
    due = now() + ahead
    assert trigger.get_next_fire_time(now(), due) == due + HOUR / 60


@pytest.mark.parametrize(
    ("seconds", "least", "most"), [(0.5, 3, 1_000), (1.5, 1, 3)], ids=["half", "one and a half"]
)
def test_intervals_are_not_rounded_to_seconds(
    schedule: Schedule, seconds: float, least: int, most: int
) -> None:
    runs: list[str] = []
    began = now()
    schedule.every(timedelta(seconds=seconds), "work", lambda: runs.append("work"), first=began)
    schedule.every(HOUR, "other", lambda: None, first=began)
    schedule.start()

    eventually(lambda: len(runs) >= least)
    took = (now() - began) / timedelta(seconds=1)
    assert len(runs) <= min(most, took / seconds + 1)


def test_the_next_full_hour_follows_any_time() -> None:
    at = datetime(2026, 7, 1, 23, 0, 0, tzinfo=UTC)
    assert _next_hour(at) == at + HOUR
    assert _next_hour(at - timedelta(microseconds=1)) == at
