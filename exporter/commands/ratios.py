"""Ratios by day as people read them: in percent, with their parts, and a bar on a terminal."""

from collections.abc import Mapping
from math import isnan

from exporter.domain.kpis import Number, Unit
from exporter.web.page.formatting import value_words

_BAR = 20  # characters of the highest value
_EIGHTHS = " " + "".join(map(chr, range(0x258F, 0x2588, -1)))  # the narrowest block first


def ratio_rows(
    content: Mapping[str, Mapping[str, Number]], *, bars: bool
) -> tuple[list[str], list[list[str]]]:
    """Return the header and a row for each day, a column for each segment.

    One column alone has its parts, and bars if those are wanted, in columns of their own.
    """
    days = sorted({day for numbers in content.values() for day in numbers})
    if len(content) != 1:
        return ["date", *content], [
            [day, *(_short(numbers.get(day)) for numbers in content.values())] for day in days
        ]
    ((segment, numbers),) = content.items()
    highest = max((n.value for n in numbers.values() if not isnan(n.value)), default=0.0)
    return ["date", segment, "made of", *([""] if bars else [])], [
        [day, _percent(number), _parts(number), *([_bar(number.value, highest)] if bars else [])]
        for day, number in sorted(numbers.items())
    ]


def _percent(number: Number) -> str:
    return value_words(None if isnan(number.value) else number.value, Unit.RATIO)


def _parts(number: Number) -> str:
    return f"{number.numerator:,} of {number.denominator:,}"


def _short(number: Number | None) -> str:
    """Return a ratio and its sample; nothing without one."""
    return "" if number is None else f"{_percent(number)} of {number.denominator:,}"


def _bar(value: float, highest: float) -> str:
    if isnan(value) or value <= 0:
        return ""
    whole, rest = divmod(round(value / highest * _BAR * 8), 8)
    return ("\N{FULL BLOCK}" * whole + _EIGHTHS[rest]).rstrip()
