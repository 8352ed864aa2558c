"""Ratios by day as people read them."""

from math import nan

from exporter.commands.ratios import ratio_rows
from exporter.domain.kpis import Number

FEBRUARY, MARCH = "2013-02-01", "2013-03-01"
TOTAL = {MARCH: Number(1, 4), FEBRUARY: Number(1_000, 2_000), "2013-04-01": Number(0, 0)}


def test_a_ratio_is_in_percent_with_its_parts_and_a_bar() -> None:
    header, rows = ratio_rows({"Total": TOTAL}, bars=True)

    assert header == ["date", "Total", "made of", ""]
    assert rows[:2] == [
        [FEBRUARY, "50.0%", "1,000 of 2,000", "\N{FULL BLOCK}" * 20],
        [MARCH, "25.0%", "1 of 4", "\N{FULL BLOCK}" * 10],
    ]
    assert rows[2][1:] == ["\N{EN DASH}", "0 of 0", ""]


def test_without_a_terminal_there_are_no_bars() -> None:
    header, rows = ratio_rows({"Total": TOTAL}, bars=False)

    assert {len(row) for row in (header, *rows)} == {3}


def test_segments_have_their_samples() -> None:
    header, rows = ratio_rows(
        {"iOS": {MARCH: Number(1, 4)}, "Linux": {FEBRUARY: Number(nan, 3)}}, bars=True
    )

    assert header == ["date", "iOS", "Linux"]
    assert rows[1] == [MARCH, "25.0% of 4", ""]
