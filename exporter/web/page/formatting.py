"""How the page writes values, spans of time and windows."""

import re
from datetime import date, datetime, timedelta
from functools import lru_cache

from exporter.domain.kpis import Unit

UNDEFINED = "\N{EN DASH}"

_WINDOW = re.compile(r"([0-9]+)([hdw])")
_WINDOW_UNITS = {"h": "hours", "d": "days", "w": "weeks"}
_SINGLE = {"1h": "last hour", "1d": "last 24 hours", "1w": "last 7 days"}

# (from how many seconds on, length of the unit in seconds, its name)
_AGES = (
    (2 * 86_400, 86_400, "days"),
    (2 * 3_600, 3_600, "hours"),
    (2 * 60, 60, "minutes"),
    (2, 1, "seconds"),
    (1, 1, "second"),
    (0, 1, "seconds"),
)


def value_words(value: float | None, unit: Unit) -> str:
    """Write a value; a ratio that is not quite 0 or 1 is not rounded to look as if it were."""
    if value is None:
        return UNDEFINED
    if unit is Unit.SITES:
        return f"{value:,.2f}"
    if unit is Unit.SECONDS:
        return f"{value:,.1f} s" if value >= 1 else f"{value * 1000:,.0f} ms"
    if unit is not Unit.RATIO:
        return f"{value:,.0f}"
    words = f"{value:.1%}"
    if words == "0.0%" and value > 0:
        return "<0.1%"
    if words == "100.0%" and value < 1:
        return ">99.9%"
    return words


def change_words(value: float | None, before: float | None, unit: Unit) -> str:
    """Write the change between two values, percentages in points; empty if one is undefined."""
    if value is None or before is None:
        return ""
    if unit is Unit.RATIO:
        return _signed(round((value - before) * 100, 1), ".1f") + " points"
    return _signed(round((value / before - 1) * 100), ",") + "%" if before > 0 else ""


def _signed(number: float, form: str) -> str:
    return f"{number:+{form}}" if number else f"\N{PLUS-MINUS SIGN}{0:{form}}"


def age_words(then: datetime, now: datetime) -> str:
    """Return how long ago `then` was; nothing if it has not been yet."""
    seconds = int((now - then) / timedelta(seconds=1))
    for least, length, name in _AGES:
        if seconds >= least:
            return f"{seconds // length} {name} ago"
    return ""


def moment_words(moment: datetime) -> str:
    """Write a moment in UTC."""
    return f"{moment:%-d %b %Y, %H:%M} UTC"


@lru_cache(maxsize=256)  # each is written dozens of times
def day_words(day: date) -> str:
    """Write a date."""
    return f"{day:%-d %b %Y}"


def window_words(window: str) -> str:
    """Write a window as configured, such as `7d`, in words."""
    if window in _SINGLE:
        return _SINGLE[window]
    parts = _WINDOW.fullmatch(window)
    return f"last {parts[1]} {_WINDOW_UNITS[parts[2]]}" if parts else window


def bound_words(value: float, unit: Unit) -> str:
    """Write the bound of a scale, a round number."""
    if unit is Unit.RATIO:
        return f"{value * 100:.4g}%"
    if unit is Unit.SECONDS:
        return f"{value:,.10g} s"
    return f"{value:,.10g}"
