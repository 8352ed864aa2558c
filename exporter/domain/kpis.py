"""KPIs: what counts come to. Every ratio keeps its parts; nothing is averaged.

The definitions are those of `docs/reference/kpis.md`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from math import nan
from typing import TypeAlias

from exporter.domain.definitions import Definitions
from exporter.domain.layout import Layout
from exporter.domain.outcome import Outcome
from exporter.domain.tally import Counts


class Unit(StrEnum):
    """What a KPI's value counts."""

    INTERACTIONS = "interactions"
    USERS = "users"
    SITES = "sites"
    RATIO = "ratio"


@dataclass(frozen=True, slots=True)
class Number:
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
"""Further label values: the outcome, the flow, or flow and step."""


@dataclass(frozen=True, slots=True)
class KpiInput:
    """Counts with what their slots mean: all that a KPI is computed from."""

    counts: Mapping[int, int]
    layout: Layout
    definitions: Definitions

    def __getitem__(self, slot: int) -> int:
        return self.counts.get(slot, 0)

    def outcome(self, *outcomes: Outcome) -> int:
        """Count the dialogs that ended in one of these ways."""
        return sum(self[self.layout.outcomes[outcome]] for outcome in outcomes)

    def step(self, flow: str, step: str) -> int:
        """Count the interactions that reached a step."""
        return self[self.layout.steps[flow][step]]

    @property
    def shown(self) -> int:
        """Interactions whose dialog appeared."""
        name = self.definitions.outcomes.shown
        return self.step(name.flow, name.step)

    @property
    def engaged(self) -> int:
        """Interactions whose user engaged; without a shown dialog too."""
        name = self.definitions.outcomes.engaged
        return self.step(name.flow, name.step)

    @property
    def newcomers(self) -> int:
        """The denominator of the new-user ratios: all dialogs but the returning users'."""
        return self.outcome(Outcome.BOUNCE, Outcome.FAIL, Outcome.FALLBACK, Outcome.IDP)

    @property
    def new_users(self) -> int:
        """Dialogs that ended with a new user."""
        return self.outcome(Outcome.FALLBACK, Outcome.IDP)


def _attempts(c: KpiInput) -> Iterator[tuple[Labels, Number]]:
    yield (), Number(c[c.layout.attempts])


def _dialogs(c: KpiInput) -> Iterator[tuple[Labels, Number]]:
    for outcome in Outcome:
        yield (outcome.value,), Number(c.outcome(outcome))


def _bounce_ratio(c: KpiInput) -> Iterator[tuple[Labels, Number]]:
    yield (), Number(c.shown - c.engaged, c.shown)


def _bounces_signed_in(c: KpiInput) -> Iterator[tuple[Labels, Number]]:
    yield (), Number(c[c.layout.bounces_signed_in])


def _abandonment_ratio(c: KpiInput) -> Iterator[tuple[Labels, Number]]:
    yield (), Number(c.outcome(Outcome.BOUNCE) - c[c.layout.bounces_signed_in], c.shown)


def _new_users(c: KpiInput) -> Iterator[tuple[Labels, Number]]:
    yield (), Number(c.new_users)


def _new_user_bounce_ratio(c: KpiInput) -> Iterator[tuple[Labels, Number]]:
    yield (), Number(c.outcome(Outcome.BOUNCE), c.newcomers)


def _new_user_success_ratio(c: KpiInput) -> Iterator[tuple[Labels, Number]]:
    yield (), Number(c.new_users, c.newcomers)


def _steps(c: KpiInput) -> Iterator[tuple[Labels, Number]]:
    for flow in c.definitions.flows:
        for step in flow.steps:
            yield (flow.name, step.name), Number(c.step(flow.name, step.name))


def _step_ratio(c: KpiInput) -> Iterator[tuple[Labels, Number]]:
    for flow in c.definitions.flows:
        first = c.step(flow.name, flow.steps[0].name)
        for step in flow.steps:
            yield (flow.name, step.name), Number(c.step(flow.name, step.name), first)


def _step_dropoff(c: KpiInput) -> Iterator[tuple[Labels, Number]]:
    for flow in c.definitions.flows:
        for before, step in pairwise(flow.steps):
            came = c.step(flow.name, before.name)
            went_on = c.step(flow.name, step.name)
            yield (flow.name, step.name), Number(came - went_on, came)


def _completion(c: KpiInput) -> Iterator[tuple[Labels, Number]]:
    for flow in c.definitions.flows:
        last, first = flow.steps[-1].name, flow.steps[0].name
        yield (flow.name,), Number(c.step(flow.name, last), c.step(flow.name, first))


def _sites_mean(c: KpiInput) -> Iterator[tuple[Labels, Number]]:
    yield (), Number(c[c.layout.sites], c[c.layout.attempts])


def _sites_median(c: KpiInput) -> Iterator[tuple[Labels, Number]]:
    yield (), Number(median_sites(c.counts, c.layout))


def median_sites(counts: Mapping[int, int], layout: Layout) -> float:
    """Return the exact median of the sites; NaN without interactions."""
    total = counts.get(layout.attempts, 0)
    if not total:
        return nan
    first = layout.sites_histogram
    above = sorted((slot - first, n) for slot, n in counts.items() if slot > first)
    histogram = [(0, total - sum(n for _, n in above)), *above]

    def at(position: int) -> int:
        for sites, n in histogram:
            if position < n:
                return sites
            position -= n
        raise IndexError(position)

    return (at((total - 1) // 2) + at(total // 2)) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Kpi:
    """One KPI: its name (the family's without `kpi_`), what people call it, how it comes."""

    name: str
    title: str
    unit: Unit
    compute: Callable[[KpiInput], Iterator[tuple[Labels, Number]]]


_ALL = (
    Kpi(
        name="sign_in_attempts",
        title="Sign-in attempts",
        unit=Unit.INTERACTIONS,
        compute=_attempts,
    ),
    Kpi(name="dialogs", title="Dialogs by outcome", unit=Unit.INTERACTIONS, compute=_dialogs),
    Kpi(name="bounce_ratio", title="Bounce rate", unit=Unit.RATIO, compute=_bounce_ratio),
    Kpi(
        name="bounces_signed_in",
        title="Bounces signed in",
        unit=Unit.INTERACTIONS,
        compute=_bounces_signed_in,
    ),
    Kpi(
        name="abandonment_ratio",
        title="Abandonment rate",
        unit=Unit.RATIO,
        compute=_abandonment_ratio,
    ),
    Kpi(name="new_users", title="New users", unit=Unit.USERS, compute=_new_users),
    Kpi(
        name="new_user_bounce_ratio",
        title="New user bounce rate",
        unit=Unit.RATIO,
        compute=_new_user_bounce_ratio,
    ),
    Kpi(
        name="new_user_success_ratio",
        title="New user success",
        unit=Unit.RATIO,
        compute=_new_user_success_ratio,
    ),
    Kpi(
        name="flow_step_interactions",
        title="Flow steps",
        unit=Unit.INTERACTIONS,
        compute=_steps,
    ),
    Kpi(name="flow_step_ratio", title="Flow step shares", unit=Unit.RATIO, compute=_step_ratio),
    Kpi(
        name="flow_step_dropoff_ratio",
        title="Flow step drop-off",
        unit=Unit.RATIO,
        compute=_step_dropoff,
    ),
    Kpi(
        name="flow_completion_ratio",
        title="Flow completion",
        unit=Unit.RATIO,
        compute=_completion,
    ),
    Kpi(
        name="sites_signed_in_mean",
        title="Sites signed in, mean",
        unit=Unit.SITES,
        compute=_sites_mean,
    ),
    Kpi(
        name="sites_signed_in_median",
        title="Sites signed in, median",
        unit=Unit.SITES,
        compute=_sites_median,
    ),
)
KPIS: Mapping[str, Kpi] = {kpi.name: kpi for kpi in _ALL}
NO_COUNTS: Counts = {}
