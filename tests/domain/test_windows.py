"""Ranges of hours."""

import pytest

from exporter.domain.windows import joined


@pytest.mark.parametrize(
    ("ranges", "as_few"),
    [
        ([], []),
        ([(1, 2)], [(1, 2)]),
        ([(1, 2), (2, 3), (3, 4)], [(1, 4)]),
        ([(1, 2), (3, 4)], [(1, 2), (3, 4)]),
        ([(0, 24), (48, 72), (72, 96)], [(0, 24), (48, 96)]),
    ],
)
def test_ranges_that_follow_each_other_become_one(
    ranges: list[tuple[int, int]], as_few: list[tuple[int, int]]
) -> None:
    assert joined(ranges) == as_few
