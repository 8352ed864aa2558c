"""How values and spans of time are written."""

from datetime import timedelta

import pytest

from exporter.domain.kpis import Unit
from exporter.web.page.formatting import age_words, bound_words, value_words, window_words
from tests.web.pages import NOW


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (0.306, Unit.RATIO, "30.6%"),
        (0.0, Unit.RATIO, "0.0%"),
        (0.0001, Unit.RATIO, "<0.1%"),
        (-0.25, Unit.RATIO, "-25.0%"),
        (0.9999, Unit.RATIO, ">99.9%"),
        (1.0, Unit.RATIO, "100.0%"),
        (1.25, Unit.RATIO, "125.0%"),
        (1_234_567, Unit.INTERACTIONS, "1,234,567"),
        (3.14159, Unit.SITES, "3.14"),
        (None, Unit.INTERACTIONS, "\N{EN DASH}"),
    ],
)
def test_values(value: float | None, unit: Unit, words: str) -> None:
    assert value_words(value, unit) == words


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [(0.4, Unit.RATIO, "40%"), (2000.0, Unit.INTERACTIONS, "2,000"), (0.5, Unit.SITES, "0.5")],
)
def test_bounds_of_a_scale(value: float, unit: Unit, words: str) -> None:
    assert bound_words(value, unit) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 seconds ago"),
        (1, "1 second ago"),
        (2, "2 seconds ago"),
        (119, "119 seconds ago"),
        (120, "2 minutes ago"),
        (7199, "119 minutes ago"),
        (7200, "2 hours ago"),
        (172_800, "2 days ago"),
        (-5, ""),
    ],
)
def test_ages(seconds: int, words: str) -> None:
    assert age_words(NOW - timedelta(seconds=seconds), NOW) == words


@pytest.mark.parametrize(
    ("window", "words"),
    [
        ("1h", "last hour"),
        ("1d", "last 24 hours"),
        ("7d", "last 7 days"),
        ("36h", "last 36 hours"),
        ("2w", "last 2 weeks"),
        ("soon", "soon"),
    ],
)
def test_windows(window: str, words: str) -> None:
    assert window_words(window) == words
