"""Formulas: which counters a KPI is made of, so that its value can be worked out by hand."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from exporter.domain.definitions import Definitions, StepName
from exporter.domain.kpis import Labels
from exporter.domain.layout import Layout
from exporter.domain.outcome import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Formula:
    """(plus - minus) / over, each the sum of its slots; `over` is None where nothing is divided.

    A median is no sum: it has `plus`, the interactions that it is the median of, and `median`.
    """

    labels: Labels
    plus: tuple[int, ...]
    minus: tuple[int, ...] = ()
    over: tuple[int, ...] | None = None
    median: bool = False

    @property
    def slots(self) -> tuple[int, ...]:
        """The counters it is made of, each once, in the order in which they are first named."""
        return tuple(dict.fromkeys((*self.plus, *self.minus, *(self.over or ()))))


_Formulas: TypeAlias = Callable[[Definitions, Layout], Iterator[Formula]]


def formulas(kpi: str, definitions: Definitions, layout: Layout) -> list[Formula]:
    """Return a KPI's formula for each of its label values; `kpi` is one of `KPIS`."""
    return list(_FORMULAS[kpi](definitions, layout))


def _slot(layout: Layout, name: StepName) -> int:
    return layout.steps[name.flow][name.step]


def _new_users(layout: Layout) -> tuple[int, ...]:
    return layout.outcomes[Outcome.IDP], layout.outcomes[Outcome.FALLBACK]


def _newcomers(layout: Layout) -> tuple[int, ...]:
    return (
        layout.outcomes[Outcome.BOUNCE],
        layout.outcomes[Outcome.FAIL],
        *_new_users(layout),
    )


def _attempts(_: Definitions, layout: Layout) -> Iterator[Formula]:
    yield Formula(labels=(), plus=(layout.attempts,))


def _dialogs(_: Definitions, layout: Layout) -> Iterator[Formula]:
    for outcome in Outcome:
        yield Formula(labels=(outcome.value,), plus=(layout.outcomes[outcome],))


def _bounce_ratio(definitions: Definitions, layout: Layout) -> Iterator[Formula]:
    shown = _slot(layout, definitions.outcomes.shown)
    engaged = _slot(layout, definitions.outcomes.engaged)
    yield Formula(labels=(), plus=(shown,), minus=(engaged,), over=(shown,))


def _bounces_signed_in(_: Definitions, layout: Layout) -> Iterator[Formula]:
    yield Formula(labels=(), plus=(layout.bounces_signed_in,))


def _abandonment_ratio(definitions: Definitions, layout: Layout) -> Iterator[Formula]:
    yield Formula(
        labels=(),
        plus=(layout.outcomes[Outcome.BOUNCE],),
        minus=(layout.bounces_signed_in,),
        over=(_slot(layout, definitions.outcomes.shown),),
    )


def _new_users_number(_: Definitions, layout: Layout) -> Iterator[Formula]:
    yield Formula(labels=(), plus=_new_users(layout))


def _new_user_bounce_ratio(_: Definitions, layout: Layout) -> Iterator[Formula]:
    bounced = (layout.outcomes[Outcome.BOUNCE],)
    yield Formula(labels=(), plus=bounced, over=_newcomers(layout))


def _new_user_success_ratio(_: Definitions, layout: Layout) -> Iterator[Formula]:
    yield Formula(labels=(), plus=_new_users(layout), over=_newcomers(layout))


def _steps(_: Definitions, layout: Layout) -> Iterator[Formula]:
    for flow, steps in layout.steps.items():
        for step, slot in steps.items():
            yield Formula(labels=(flow, step), plus=(slot,))


def _step_ratio(_: Definitions, layout: Layout) -> Iterator[Formula]:
    for flow, steps in layout.steps.items():
        first = next(iter(steps.values()))
        for step, slot in steps.items():
            yield Formula(labels=(flow, step), plus=(slot,), over=(first,))


def _step_dropoff(_: Definitions, layout: Layout) -> Iterator[Formula]:
    for flow, steps in layout.steps.items():
        for (_before, came), (step, went_on) in pairwise(steps.items()):
            yield Formula(labels=(flow, step), plus=(came,), minus=(went_on,), over=(came,))


def _completion(_: Definitions, layout: Layout) -> Iterator[Formula]:
    for flow, steps in layout.steps.items():
        slots = tuple(steps.values())
        yield Formula(labels=(flow,), plus=slots[-1:], over=slots[:1])


def _sites_mean(_: Definitions, layout: Layout) -> Iterator[Formula]:
    yield Formula(labels=(), plus=(layout.sites,), over=(layout.attempts,))


def _sites_median(_: Definitions, layout: Layout) -> Iterator[Formula]:
    yield Formula(labels=(), plus=(layout.attempts,), median=True)


_FORMULAS: Mapping[str, _Formulas] = {
    "sign_in_attempts": _attempts,
    "dialogs": _dialogs,
    "bounce_ratio": _bounce_ratio,
    "bounces_signed_in": _bounces_signed_in,
    "abandonment_ratio": _abandonment_ratio,
    "new_users": _new_users_number,
    "new_user_bounce_ratio": _new_user_bounce_ratio,
    "new_user_success_ratio": _new_user_success_ratio,
    "flow_step_interactions": _steps,
    "flow_step_ratio": _step_ratio,
    "flow_step_dropoff_ratio": _step_dropoff,
    "flow_completion_ratio": _completion,
    "sites_signed_in_mean": _sites_mean,
    "sites_signed_in_median": _sites_median,
}
