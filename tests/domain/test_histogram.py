"""Buckets hold what the definition says they hold, also at their borders."""

from fractions import Fraction
from math import isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.domain.histogram import (
    DURATION_BUCKETS,
    EXACT_SITES,
    LONGEST_MS,
    MOST_SITES,
    QUICK_BUCKETS,
    QUICK_MS,
    SITES_BUCKETS,
    duration_bucket,
    duration_ms,
    duration_quantile_ms,
    duration_range_ms,
    sites_bucket,
    sites_in,
    sites_range,
)

GAMMA = Fraction(21, 19)  # 1.05 / 0.95
PRECISION = 0.05 + 1e-9

_durations = st.one_of(
    st.integers(0, LONGEST_MS),
    st.floats(0, LONGEST_MS, allow_subnormal=False),
    st.integers(0, 182).map(lambda i: float(GAMMA**i)),
)


@given(_durations)
def test_bucket_i_holds_what_is_above_one_power_and_up_to_the_next(ms: float) -> None:
    bucket = duration_bucket(ms)

    assert 0 <= bucket < DURATION_BUCKETS
    if ms < 1:
        assert bucket == 0
    else:
        i = bucket - 1
        assert GAMMA ** (i - 1) < Fraction(ms) <= GAMMA**i
        assert duration_ms(bucket) == pytest.approx(float(2 * GAMMA**i / (GAMMA + 1)))


@given(_durations.filter(lambda ms: ms >= 1))
def test_a_bucket_stands_for_each_of_its_durations_within_5_percent(ms: float) -> None:
    assert abs(duration_ms(duration_bucket(ms)) - ms) <= PRECISION * ms


def test_below_1_ms_is_0() -> None:
    assert duration_ms(duration_bucket(0.999)) == 0
    assert duration_ms(duration_bucket(1)) == pytest.approx(0.95)


def test_the_table_of_short_durations_has_the_bucket_of_each() -> None:
    assert bytes(map(duration_bucket, range(QUICK_MS))) == QUICK_BUCKETS


def test_the_ranges_of_buckets_follow_each_other() -> None:
    ranges = [duration_range_ms(bucket) for bucket in range(DURATION_BUCKETS)]

    assert [low for low, _ in ranges[1:]] == [high for _, high in ranges[:-1]]
    assert ranges[-1][1] >= LONGEST_MS


@given(st.lists(_durations, max_size=40), st.integers(1, 100))
def test_a_quantile_is_the_value_at_its_rank(values: list[float], percent: int) -> None:
    counts: dict[int, int] = {}
    for ms in values:
        bucket = 7 + duration_bucket(ms)
        counts[bucket] = counts.get(bucket, 0) + 1

    found = duration_quantile_ms(counts, sorted(counts), 7, len(values), percent)

    if not values:
        assert isnan(found)
    else:
        right = sorted(values)[percent * (len(values) - 1) // 100]
        assert found == duration_ms(duration_bucket(right))


@given(st.integers(1, MOST_SITES))
def test_sites_are_exact_up_to_1000_and_within_5_percent_beyond(sites: int) -> None:
    bucket = sites_bucket(sites)

    assert 1 <= bucket < SITES_BUCKETS
    if sites <= EXACT_SITES:
        assert sites_in(bucket) == bucket == sites
    else:
        low, high = sites_range(bucket)
        assert low <= sites <= high
        assert abs(sites_in(bucket) - sites) <= PRECISION * sites


def test_sites_take_a_thousand_slots_not_a_million() -> None:
    assert SITES_BUCKETS == 1_071


def test_sites_that_an_earlier_version_counted_one_by_one_stay_what_they_are() -> None:
    assert sites_in(600_000) == 600_000
