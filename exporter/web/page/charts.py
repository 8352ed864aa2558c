"""Small charts: a KPI's days as shapes on a canvas, ready to be written as SVG."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from exporter.domain.kpis import Unit
from exporter.domain.reports import Milestone
from exporter.web.page.formatting import bound_words, day_words, value_words
from exporter.web.page.model import Day, KpiCard

WIDTH = 340.0
HEIGHT = 112.0
_TOP = 16.0  # room for the upper bound's label
_BOTTOM = 94.0  # room for the dates
_LETTER = 6.2  # the width of a label's letter, rather more than on average
_GAP = 5.0  # between a milestone's line and its name
_FEWEST = 5  # letters of a name that is cut
_ROUND = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A day's column from `x`, `width` wide, and the height `y` of its value if it has one.

    `over` is false for the day that is still going on; `words` are the day and its value,
    `milestone` the names of its milestones, empty without one.

    """

    x: float
    width: float
    y: float | None
    over: bool
    milestone: str
    words: str

    @property
    def middle(self) -> float:
        """Where a line passes through the day."""
        return self.x + self.width / 2

    @property
    def late(self) -> bool:
        """Whether its words are written from the right, to stay on the canvas."""
        return self.middle > WIDTH / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A milestone's name beside its line, from `x` to the right, or to the left."""

    x: float
    leftwards: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A KPI's days, in units of a canvas of `WIDTH` by `HEIGHT`.

    `zero` is the height of the line for 0; `highest` and `lowest` are the bounds of the scale,
    in words, `lowest` empty where that is 0.
    """

    bars: bool
    spots: tuple[Spot, ...]
    zero: float
    highest: str
    lowest: str
    description: str

    top = _TOP
    bottom = _BOTTOM

    @property
    def empty(self) -> bool:
        """There is nothing to draw."""
        return all(spot.y is None for spot in self.spots)

    @property
    def pieces(self) -> list[list[Spot]]:
        """The line through the days that are over, in the pieces that undefined days leave."""
        pieces: list[list[Spot]] = [[]]
        for spot in self.spots:
            if spot.y is None:
                pieces.append([])
            elif spot.over:
                pieces[-1].append(spot)
        return [piece for piece in pieces if piece]

    @property
    def labels(self) -> list[Label]:
        """The milestones' names, each where it has the most room, cut to what there is."""
        marks = [spot for spot in self.spots if spot.milestone]
        ends = [*(mark.middle for mark in marks), WIDTH][1:]
        labels: list[Label] = []
        taken = len(self.highest) * _LETTER
        for mark, end in zip(marks, ends, strict=True):
            left, right = (
                int((room - _GAP) / _LETTER) for room in (mark.middle - taken, end - mark.middle)
            )
            leftwards = right < len(mark.milestone) and left > right
            text = _cut(mark.milestone, max(left, right))
            taken = mark.middle + (0 if leftwards else _GAP + len(text) * _LETTER)
            if text:
                x = mark.middle + (-_GAP if leftwards else _GAP)
                labels.append(Label(x=x, leftwards=leftwards, text=text))
        return labels

    @property
    def so_far(self) -> list[Spot]:
        """The day that is not over, behind the day before if that one has a value."""
        if not self.spots or self.spots[-1].over or self.spots[-1].y is None:
            return []
        return [spot for spot in self.spots[-2:] if spot.y is not None]


def chart(kpi: KpiCard, *, milestones: Sequence[Milestone], today: date) -> Chart:
    """Return the chart of a KPI's days; `today` and what follows is not over."""
    values = [day.value for day in kpi.days if day.value is not None]
    high = _rounded(max(values, default=0.0))
    low = -_rounded(-min(values, default=0.0))
    if high == low:
        high = 1.0
    width = WIDTH / max(len(kpi.days), 1)
    names_on: defaultdict[date, list[str]] = defaultdict(list)
    for milestone in milestones:
        names_on[milestone.date].append(milestone.name)

    def height(value: float) -> float:
        return _BOTTOM - (value - low) / (high - low) * (_BOTTOM - _TOP)

    def spot(number: int, day: Day) -> Spot:
        names = names_on.get(day.date, ())
        over = day.date < today
        return Spot(
            x=number * width,
            width=width,
            y=None if day.value is None else height(day.value),
            over=over,
            milestone=", ".join(names),
            words=" \N{MIDDLE DOT} ".join([_told(day, kpi.unit, over=over), *names]),
        )

    return Chart(
        bars=kpi.unit in {Unit.INTERACTIONS, Unit.USERS},
        spots=tuple(spot(number, day) for number, day in enumerate(kpi.days)),
        zero=height(0),
        highest=bound_words(high, kpi.unit),
        lowest=bound_words(low, kpi.unit) if low else "",
        description=_described(kpi),
    )


def _cut(text: str, letters: int) -> str:
    """Return as much of a text as there is room for; nothing if that is too little."""
    if len(text) <= letters:
        return text
    return f"{text[: letters - 1].rstrip()}\N{HORIZONTAL ELLIPSIS}" if letters >= _FEWEST else ""


def _rounded(value: float) -> float:
    """Return the next round number that is not below `value`; 0 for what is not above 0."""
    if value <= 0:
        return 0.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step for step in (*_ROUND, 20.0) if step * power >= value) * power


def _told(day: Day, unit: Unit, *, over: bool) -> str:
    words = f"{day_words(day.date)}: {value_words(day.value, unit)}"
    if day.parts:
        words += f" ({day.parts})"
    return words if over else f"{words}, so far"


def _described(kpi: KpiCard) -> str:
    """Return what the chart shows to those who do not see it."""
    if not kpi.days:
        return "No days to show."
    defined = [(day.value, day.date) for day in kpi.days if day.value is not None]
    span = f"{len(kpi.days)} days, {day_words(kpi.days[0].date)} to {day_words(kpi.days[-1].date)}"
    if not defined:
        return f"{span}: no value on any of them."
    extremes = [
        f"{name} {value_words(value, kpi.unit)} on {day_words(day)}"
        for name, (value, day) in (
            ("lowest", min(defined)),
            ("highest", max(defined)),
            ("latest", defined[-1]),
        )
    ]
    return f"{span}: {', '.join(extremes)}; {len(kpi.days) - len(defined)} without a value."
