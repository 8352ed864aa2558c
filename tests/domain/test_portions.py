"""Portions of rows are bounded in rows and in bytes, and hold each row once."""

from itertools import chain

from exporter.domain.interaction import Row
from exporter.domain.portions import MOST_BYTES, portions


def test_a_portion_holds_no_more_rows_than_allowed() -> None:
    rows = [Row(str(n), b"{}") for n in range(25)]
    found = list(portions(rows, 10))
    assert [len(portion) for portion in found] == [10, 10, 5]
    assert list(chain.from_iterable(found)) == rows


def test_a_portion_ends_with_the_row_that_fills_it() -> None:
    half = MOST_BYTES // 2
    rows = [Row(str(n), bytes(half)) for n in range(5)]
    assert [len(portion) for portion in portions(rows, 10)] == [2, 2, 1]


def test_of_no_rows_there_is_no_portion() -> None:
    assert list(portions([], 10)) == []
