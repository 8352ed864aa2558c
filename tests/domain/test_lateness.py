"""How late interactions are seen, and what that says of what is still to come."""

from datetime import timedelta
from math import isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.domain.lateness import BOUNDS_SECONDS, FEWEST_OBSERVED, Lateness, late_seconds

HOUR, DAY = 3_600, 86_400
LONG = timedelta(days=1_000)


def seen(*late: float, times: int = 1) -> Lateness:
    return Lateness().watch(LONG).see(list(late) * times)


def test_lateness_is_the_time_since_the_timestamp() -> None:
    assert late_seconds([1_000, 500_000], 600_000) == [599, 100]


@given(st.lists(st.floats(-1_000, 1e9)), st.lists(st.floats(-1_000, 1e9)))
def test_every_interaction_is_in_one_bucket_however_they_come(
    first: list[float], second: list[float]
) -> None:
    at_once, in_turn = seen(*first, *second), seen(*first).see(second)

    assert at_once.counts == in_turn.counts
    assert sum(at_once.counts) == len(first) + len(second)
    assert at_once.seconds == pytest.approx(in_turn.seconds)


@pytest.mark.parametrize("bound", BOUNDS_SECONDS)
def test_a_bucket_holds_its_bound(bound: int) -> None:
    place = BOUNDS_SECONDS.index(bound)

    assert seen(bound).counts[place] == 1
    assert seen(bound + 0.001).counts[place + 1] == 1


def test_a_clock_that_is_behind_makes_no_negative_lateness() -> None:
    assert seen(-500).seconds == 0
    assert seen(-500).counts[0] == 1


@given(st.lists(st.floats(0, 400 * DAY), min_size=1), st.floats(0, 500 * DAY), st.floats(0, DAY))
def test_the_share_seen_grows_with_time_to_all(
    late: list[float], seconds: float, more: float
) -> None:
    lateness = seen(*late)
    share = lateness.share_seen_within(seconds)

    assert 0 <= share <= lateness.share_seen_within(seconds + more) + 1e-12 <= 1 + 1e-9
    assert lateness.share_seen_within(366 * DAY) == 1


def test_at_a_bound_the_share_seen_is_exact() -> None:
    lateness = seen(60, 60, 60, 5 * HOUR)

    assert lateness.share_seen_within(600) == 0.75
    assert lateness.share_seen_within(3 * HOUR) == 0.75
    assert lateness.share_seen_within(6 * HOUR) == 1


def test_nothing_is_expected_while_too_little_is_known() -> None:
    few = seen(60, times=FEWEST_OBSERVED - 1)
    recent = Lateness().watch(timedelta(hours=23)).see([60] * FEWEST_OBSERVED)
    enough = seen(60, times=FEWEST_OBSERVED)

    assert isnan(few.expected_completeness(24, 1_800))
    assert isnan(recent.expected_completeness(24, 1_800))
    assert enough.expected_completeness(24, 1_800) == pytest.approx(1, abs=0.01)


def test_a_window_is_as_complete_as_its_hours_on_average() -> None:
    """Half of all come at once, half after a day and a half."""
    lateness = seen(60, 36 * HOUR, times=FEWEST_OBSERVED)

    assert lateness.expected_completeness(24, HOUR) == pytest.approx(0.5, abs=0.02)
    of_two_days = lateness.expected_completeness(48, HOUR)
    assert 0.5 < of_two_days < 0.75
    assert lateness.expected_completeness(24 * 100, HOUR) == pytest.approx(0.99, abs=0.005)


@given(st.lists(st.floats(0, 100 * DAY), min_size=1), st.integers(1, 24 * 40), st.floats(1, HOUR))
def test_completeness_is_a_ratio(late: list[float], hours: int, into_hour: float) -> None:
    completeness = seen(*late, times=FEWEST_OBSERVED).expected_completeness(hours, into_hour)

    assert 0 <= completeness <= 1 + 1e-9


def test_a_pause_of_watching_is_not_counted_twice() -> None:
    watched = Lateness().watch(timedelta(hours=2)).watch(timedelta(hours=-1))

    assert watched.observed_seconds == 2 * HOUR
