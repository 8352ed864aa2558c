"""Dates as people type them."""

from argparse import ArgumentTypeError
from datetime import UTC, date, datetime, timedelta

import pytest

from exporter.clock import now
from exporter.commands.dates import first_day, instant, last_day


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2013-07-01", date(2013, 7, 1), date(2013, 7, 1)),
        ("2013-07", date(2013, 7, 1), date(2013, 7, 31)),
        ("2012-02", date(2012, 2, 1), date(2012, 2, 29)),
        ("2013-12", date(2013, 12, 1), date(2013, 12, 31)),
        ("2013", date(2013, 1, 1), date(2013, 12, 31)),
        ("1372680000", date(2013, 7, 1), date(2013, 7, 1)),
        ("1372680000000", date(2013, 7, 1), date(2013, 7, 1)),
        ("2013-07-01T23:30:00-02:00", date(2013, 7, 2), date(2013, 7, 2)),
    ],
)
def test_a_day_is_the_first_or_the_last_of_what_was_typed(
    text: str, first: date, last: date
) -> None:
    assert (first_day(text), last_day(text)) == (first, last)


@pytest.mark.parametrize(("text", "days"), [("today", 0), ("yesterday", 1), ("7d", 7), ("2w", 14)])
def test_a_day_counts_back_from_today(text: str, days: int) -> None:
    before = now().date()
    found = {first_day(text), last_day(text)}
    assert found <= {before - timedelta(days=days), now().date() - timedelta(days=days)}


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2013-07", datetime(2013, 7, 1, tzinfo=UTC)),
        ("2013-07-01T12:30", datetime(2013, 7, 1, 12, 30, tzinfo=UTC)),
        ("1372680000", datetime(2013, 7, 1, 12, tzinfo=UTC)),
        ("1372680000500", datetime(2013, 7, 1, 12, 0, 0, 500_000, tzinfo=UTC)),
    ],
)
def test_an_instant_is_where_what_was_typed_begins(text: str, moment: datetime) -> None:
    assert instant(text) == moment


def test_an_instant_can_be_so_long_ago() -> None:
    before = now()
    assert before <= instant("36h") + timedelta(hours=36) <= now()


@pytest.mark.parametrize("text", ["", "soon", "2013-13", "2013-02-30", "7x", "9999", "99", "-7d"])
def test_what_is_no_date_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match=r"^expected 2013-07-01, .*, not"):
        first_day(text)
