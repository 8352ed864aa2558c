"""The program that measures how soon a total failure is found counts as exporter and rules do."""

import numpy as np

from exporter.config import load
from simulations.year.looks import growing, pages
from simulations.year.total_failure import (
    HOURS,
    MINUTES,
    OF_AN_HOUR_OR_LESS,
    SERIES,
    VARIANTS,
    beginnings,
    fired,
    samples,
)


def test_each_hour_meets_each_minute() -> None:
    begun = [(start.hour, start.minute) for start in beginnings()]

    assert sorted(begun) == [(hour, minute) for hour in HOURS for minute in MINUTES]


def test_an_alert_fires_once_its_condition_has_held_for_so_long() -> None:
    assert fired([0, 60, 120, 180, 300, 360, 480, 540, 600], 120) == [120, 600]


def test_the_count_of_an_hour_grows_within_it_and_begins_anew() -> None:
    bounces = 'kpi_dialogs{job="200 broken 20",instance="a",window="1h",outcome="bounce"}'
    found = dict.fromkeys(range(24), 0)
    last_of_hour = 0
    for line in samples(VARIANTS[0], seed=1):
        series, value, at = line.decode().rsplit(" ", 2)
        if series == bounces:
            assert int(at) % 3600 or value == "0"
            assert not int(at) % 3600 or int(value) >= last_of_hour
            last_of_hour = int(value)
            found[int(at) // 3600 % 24] += last_of_hour
    assert all(found[hour] for hour in range(8, 22))


def test_pages_that_follow_one_another_closely_are_one() -> None:
    steps = np.zeros(40, bool)
    steps[[1, 2, 8, 20]] = True

    assert pages(steps) == 2
    assert growing(np.ones(24))[[0, 11, 12]].tolist() == [1, 12, 1]


def test_as_many_series_are_watched_as_the_default_definitions_have() -> None:
    of = load("{data_server: {url: http://127.0.0.1}, windows: [1d]}", {}).series
    totals = 4 * of["kpi_bounce_ratio"] + of["kpi_flow_step_dropoff_ratio"]
    segments = 4 * of["kpi_segment_bounce_ratio"]
    durations = of["kpi_duration_interactions"] + of["kpi_segment_duration_interactions"]

    assert totals + 2 == OF_AN_HOUR_OR_LESS  # no_sign_in, of an hour and of half an hour
    assert 2 * (totals + segments + durations) + OF_AN_HOUR_OR_LESS == SERIES  # 6h and 1d
