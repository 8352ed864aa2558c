"""KPIs: what counts come to, as one table. Every ratio keeps its parts; nothing is averaged.

The value on `/metrics`, in a report and on the page, HELP, what `explain` writes out, and the
tables of the documentation all come from an entry here. Definitions: `docs/reference/kpis.md`.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache, partial
from itertools import pairwise
from math import nan
from typing import NamedTuple, TypeAlias

from exporter.domain.histogram import duration_quantile_ms, sites_in
from exporter.domain.layout import DurationSlots, Layout
from exporter.domain.outcome import Outcome
from exporter.domain.tally import ordered
from exporter.domain.titles import SITES

_MEDIAN = 50  # percent


class Unit(StrEnum):
    """What a KPI's value counts."""

    INTERACTIONS = "interactions"
    USERS = "users"
    SITES = "sites"
    RATIO = "ratio"
    SECONDS = "seconds"


class Number(NamedTuple):
    """A KPI's value with its parts; `denominator` is None where nothing is divided."""

    numerator: float
    denominator: int | None = None

    @property
    def value(self) -> float:
        """The value; NaN where the denominator is 0."""
        if self.denominator is None:
            return self.numerator
        return self.numerator / self.denominator if self.denominator else nan


Labels: TypeAlias = tuple[str, ...]
"""Further label values: the outcome, the flow, flow and step, or the duration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Formula:
    """(plus - minus) / over, each the sum of its slots; `over` is None where nothing is divided.

    A quantile is no sum: it has `plus`, the interactions that it is a quantile of, and `quantile`,
    which finds it in the counts; `quantile_name` is what people call it.
    """

    labels: Labels = ()
    plus: tuple[int, ...]
    minus: tuple[int, ...] = ()
    over: tuple[int, ...] | None = None
    quantile: Callable[[Mapping[int, int]], float] | None = None
    quantile_name: str = "median"

    @property
    def slots(self) -> tuple[int, ...]:
        """The counters it is made of, each once, in the order in which they are first named."""
        return tuple(dict.fromkeys((*self.plus, *self.minus, *(self.over or ()))))

    def of(self, counts: Mapping[int, int]) -> Number:
        """Return what it comes to for these counts."""
        if self.quantile is not None:
            return Number(self.quantile(counts))
        above = _sum(counts, self.plus)
        if self.minus:
            above -= _sum(counts, self.minus)
        return Number(above, None if self.over is None else _sum(counts, self.over))


def _sum(counts: Mapping[int, int], slots: tuple[int, ...]) -> int:
    if len(slots) == 1:  # as nearly always
        return counts.get(slots[0], 0)
    return sum([counts.get(slot, 0) for slot in slots])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Kpi:
    """One KPI.

    `name` is the family's without `kpi_`; `title` what people call it; `labels` the names of its
    further labels; `help` one sentence on how the value is computed; `by_segment` whether it
    exists by segment, too; `explanation` what the page says beside it, empty if the page does not
    show it by itself; `formula` how it is made of the counters, one `Formula` for each of its
    label values.
    """

    name: str
    title: str
    unit: Unit
    help: str
    formula: Callable[[Layout], Iterable[Formula]]
    labels: tuple[str, ...] = ()
    by_segment: bool = True
    explanation: str = ""

    def formulas(self, layout: Layout) -> tuple[Formula, ...]:
        """Return the formula of each of its label values."""
        return _formulas(self, layout)

    def compute(self, layout: Layout, counts: Mapping[int, int]) -> Iterator[tuple[Labels, Number]]:
        """Return what it comes to for these counts, by label values."""
        return ((formula.labels, formula.of(counts)) for formula in _formulas(self, layout))


@lru_cache(maxsize=256)
def _formulas(kpi: Kpi, layout: Layout) -> tuple[Formula, ...]:
    return tuple(kpi.formula(layout))


def _new_users(layout: Layout) -> tuple[int, ...]:
    return layout.outcomes[Outcome.IDP], layout.outcomes[Outcome.FALLBACK]


def _newcomers(layout: Layout) -> tuple[int, ...]:
    """Return the denominator of the new-user ratios: all dialogs but the returning users'."""
    return layout.outcomes[Outcome.BOUNCE], layout.outcomes[Outcome.FAIL], *_new_users(layout)


def _step_ratios(layout: Layout) -> Iterator[Formula]:
    for flow, steps in layout.steps.items():
        first = next(iter(layout.way[flow].values()))
        for step, slot in steps.items():
            yield Formula(labels=(flow, step), plus=(slot,), over=(first,))


def _step_dropoffs(layout: Layout) -> Iterator[Formula]:
    for flow, steps in layout.way.items():
        for (_, before), (step, reached) in pairwise(steps.items()):
            yield Formula(labels=(flow, step), plus=(before,), minus=(reached,), over=(before,))


def _completions(layout: Layout) -> Iterator[Formula]:
    for flow, steps in layout.way.items():
        slots = tuple(steps.values())
        yield Formula(labels=(flow,), plus=slots[-1:], over=slots[:1])


def _durations(percent: int) -> Callable[[Layout], Iterable[Formula]]:
    """Return the formulas of a quantile of each duration."""
    return lambda layout: [
        Formula(
            labels=(name,),
            plus=(slots.interactions,),
            quantile=partial(_quantile_seconds, slots, percent),
            quantile_name="median" if percent == _MEDIAN else f"{percent}th percentile",
        )
        for name, slots in layout.durations.items()
    ]


def _quantile_seconds(slots: DurationSlots, percent: int, counts: Mapping[int, int]) -> float:
    interactions = counts.get(slots.interactions, 0)
    in_order = ordered(counts)
    return duration_quantile_ms(counts, in_order, slots.buckets, interactions, percent) / 1000


def median_sites(layout: Layout, counts: Mapping[int, int]) -> float:
    """Return the median of the sites, exact up to 1,000; NaN without interactions."""
    total = counts.get(layout.attempts, 0)
    if not total:
        return nan
    first = layout.sites_histogram
    in_order = ordered(counts)
    above = [(slot - first, counts[slot]) for slot in in_order[bisect_right(in_order, first) :]]
    histogram = [(0, total - sum(n for _, n in above)), *above]

    def at(position: int) -> float:
        for bucket, n in histogram:
            if position < n:
                return sites_in(bucket)
            position -= n
        raise IndexError(position)

    return (at((total - 1) // 2) + at(total // 2)) / 2


_TABLE = (
    Kpi(
        name="sign_in_attempts",
        title="Sign-in attempts",
        unit=Unit.INTERACTIONS,
        help="Interactions in the trailing window.",
        explanation="Sign-ins that were begun: interactions with at least one event.",
        formula=lambda layout: [Formula(plus=(layout.attempts,))],
    ),
    Kpi(
        name="dialogs",
        title="Dialogs by outcome",
        unit=Unit.INTERACTIONS,
        labels=("outcome",),
        help="Shown dialogs in the trailing window by how they ended.",
        formula=lambda layout: [
            Formula(labels=(outcome.value,), plus=(slot,))
            for outcome, slot in layout.outcomes.items()
        ],
    ),
    Kpi(
        name="bounce_ratio",
        title="Bounce rate",
        unit=Unit.RATIO,
        help="1 - engaged / shown dialogs.",
        explanation="Shown dialogs in which the user did not engage.",
        formula=lambda layout: [
            Formula(plus=(layout.shown,), minus=(layout.engaged,), over=(layout.shown,))
        ],
    ),
    Kpi(
        name="bounces_signed_in",
        title="Bounces signed in",
        unit=Unit.INTERACTIONS,
        help="Bounced dialogs whose user was signed in all the same.",
        explanation="Bounces that were signed in all the same.",
        formula=lambda layout: [Formula(plus=(layout.bounces_signed_in,))],
    ),
    Kpi(
        name="abandonment_ratio",
        title="Abandonment rate",
        unit=Unit.RATIO,
        help="(bounces - bounces signed in) / shown dialogs.",
        explanation="Shown dialogs left without engaging and without being signed in.",
        formula=lambda layout: [
            Formula(
                plus=(layout.outcomes[Outcome.BOUNCE],),
                minus=(layout.bounces_signed_in,),
                over=(layout.shown,),
            )
        ],
    ),
    Kpi(
        name="new_users",
        title="New users",
        unit=Unit.USERS,
        help="Dialogs that ended with a new user (idp + fallback).",
        explanation="Dialogs that ended with a new user.",
        formula=lambda layout: [Formula(plus=_new_users(layout))],
    ),
    Kpi(
        name="new_user_bounce_ratio",
        title="New user bounce rate",
        unit=Unit.RATIO,
        help="bounce / (bounce + fail + idp + fallback) dialogs.",
        explanation="Bounces among dialogs that were not a returning user's.",
        formula=lambda layout: [
            Formula(plus=(layout.outcomes[Outcome.BOUNCE],), over=_newcomers(layout))
        ],
    ),
    Kpi(
        name="new_user_success_ratio",
        title="New user success",
        unit=Unit.RATIO,
        help="(idp + fallback) / (bounce + fail + idp + fallback) dialogs.",
        explanation="New users among dialogs that were not a returning user's.",
        formula=lambda layout: [Formula(plus=_new_users(layout), over=_newcomers(layout))],
    ),
    Kpi(
        name="flow_step_interactions",
        title="Flow steps",
        unit=Unit.INTERACTIONS,
        labels=("flow", "step"),
        help="Interactions of the flow that reached the step.",
        formula=lambda layout: [
            Formula(labels=(flow, step), plus=(slot,))
            for flow, steps in layout.steps.items()
            for step, slot in steps.items()
        ],
    ),
    Kpi(
        name="flow_step_ratio",
        title="Flow step shares",
        unit=Unit.RATIO,
        labels=("flow", "step"),
        by_segment=False,
        help="Interactions that reached the step / those that reached the flow's first step.",
        formula=_step_ratios,
    ),
    Kpi(
        name="flow_step_dropoff_ratio",
        title="Flow step drop-off",
        unit=Unit.RATIO,
        labels=("flow", "step"),
        by_segment=False,
        help="Share of the previous step's interactions that did not reach this step.",
        formula=_step_dropoffs,
    ),
    Kpi(
        name="flow_completion_ratio",
        title="Flow completion",
        unit=Unit.RATIO,
        labels=("flow",),
        help="Interactions that reached the flow's last step / those that reached its first.",
        formula=_completions,
    ),
    Kpi(
        name="sites_signed_in_mean",
        title=f"{SITES}, mean",
        unit=Unit.SITES,
        help="Mean number of sites that users are signed in to.",
        explanation="Sites that a user is signed in to, on average.",
        formula=lambda layout: [Formula(plus=(layout.sites,), over=(layout.attempts,))],
    ),
    Kpi(
        name="sites_signed_in_median",
        title=f"{SITES}, median",
        unit=Unit.SITES,
        help="Median number of sites that users are signed in to.",
        explanation="Sites that half of the users are signed in to, or fewer.",
        formula=lambda layout: [
            Formula(plus=(layout.attempts,), quantile=partial(median_sites, layout))
        ],
    ),
    Kpi(
        name="duration_interactions",
        title="Durations, interactions",
        unit=Unit.INTERACTIONS,
        labels=("duration",),
        help="Interactions that have the duration: the sample of its quantiles.",
        formula=lambda layout: [
            Formula(labels=(name,), plus=(slots.interactions,))
            for name, slots in layout.durations.items()
        ],
    ),
    Kpi(
        name="duration_median_seconds",
        title="Durations, median",
        unit=Unit.SECONDS,
        labels=("duration",),
        help="Half of the interactions that have the duration take so long or less, within 5%.",
        explanation="Half of those who got so far took so long or less.",
        formula=_durations(_MEDIAN),
    ),
    Kpi(
        name="duration_p90_seconds",
        title="Durations, 90th percentile",
        unit=Unit.SECONDS,
        labels=("duration",),
        help="90% of the interactions that have the duration take so long or less, within 5%.",
        formula=_durations(90),
    ),
)
KPIS: Mapping[str, Kpi] = {kpi.name: kpi for kpi in _TABLE}
