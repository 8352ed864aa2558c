"""How many sites a user is signed in to."""

from math import isnan
from typing import Any

import pytest

from tests.domain.reading import blob, total

OLDEST, OLD, NEW = "number_sites_logged_in", "sites_signed_in", "number_sites_signed_in"


@pytest.mark.parametrize(
    ("fields", "sites"),
    [
        ({}, 0),
        ({NEW: 3}, 3),
        ({OLD: 3}, 3),
        ({OLDEST: 3}, 3),
        ({OLDEST: 1, OLD: 2, NEW: 3}, 1),
        ({OLDEST: 0, OLD: 2, NEW: 3}, 2),
        ({OLDEST: 0, OLD: 0, NEW: 0}, 0),
        ({OLDEST: None, NEW: 3}, 3),
        ({NEW: "12"}, 12),
        ({NEW: 2.0}, 2),
        ({NEW: 2.5}, 0),
        ({NEW: -2}, 0),
        ({NEW: True}, 0),
        ({NEW: [3]}, 0),
        ({NEW: 10**9}, 0),
        ({NEW: "many", OLD: 4}, 4),
    ],
)
def test_the_first_field_that_is_there_and_not_0_counts(fields: dict[str, Any], sites: int) -> None:
    assert total("sites_signed_in_mean", blob("screen.rp_info", **fields))[()] == sites


@pytest.mark.parametrize(
    ("sites", "median"),
    [
        ([0], 0),
        ([5], 5),
        ([1, 2], 1.5),
        ([0, 0, 9], 0),
        ([0, 4], 2),
        ([3, 1, 2], 2),
        ([7, 7, 7, 0, 0, 0], 3.5),
    ],
)
def test_the_median_is_exact(sites: list[int], median: float) -> None:
    blobs = [blob("screen.rp_info", **{NEW: n}) for n in sites]

    assert total("sites_signed_in_median", *blobs)[()] == median


def test_without_interactions_there_is_neither_mean_nor_median() -> None:
    assert isnan(total("sites_signed_in_mean")[()])
    assert isnan(total("sites_signed_in_median")[()])
