"""The steps of flows over the days of the range, as PromQL and as columns of a table."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from exporter.domain.definitions import Flow, Step
from exporter.metrics.families import Family
from grafana.source.panel import Better
from grafana.source.periods import over_range, over_range_before
from grafana.source.promql import (
    DAY_THAT_ENDS,
    DAY_WINDOW,
    FLOW,
    any_of,
    difference,
    freshest,
    place,
    quoted,
    sampled,
)
from grafana.source.table import Column

NOT_APPLICABLE = "not applicable"
SUMMED = (
    "Added up over the UTC days that end in the time range; in a range shorter than a day, over"
    " the last whole day (from the window 1d, which has to be configured)."
)


def way(flow: Flow) -> tuple[Step, ...]:
    """Return the steps that lead to the flow's end; an error screen is beside them."""
    return tuple(step for step in flow.steps if not step.aside)


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """The counts at the steps of all flows over the days of the range, as PromQL."""

    family: Family
    flows: tuple[Flow, ...]
    matchers: tuple[str, ...] = ()

    def reached(self) -> str:
        """Count at each step."""
        return over_range(self._counts())

    def share(self, *, before: bool = False) -> str:
        """Return how many of those at the first step reached each, in the range or before it."""
        over = over_range_before if before else over_range
        first = self._at((flow.name, way(flow)[0].name) for flow in self.flows)
        return f"({over(self._counts())})\n/ ignoring (step) group_left ()\n(({over(first)}) > 0)"

    def went_on(self) -> str:
        """Return how many of those at each step reached the next."""
        following = any_of(
            f'label_replace({self._raw(*place(flow.name, after.name))}, "step",'
            f' "{quoted(step.name).replace("$", "$$")}", "", "")'
            for flow in self.flows
            for step, after in pairwise(way(flow))
        )
        return f"({over_range(self._freshest(following))})\n/\n(({self.reached()}) > 0)"

    def completed(self) -> str:
        """Return how many of those at each step of the way reached the last."""
        on_the_way = any_of(
            self._raw(*place(flow.name, step.name)) for flow in self.flows for step in way(flow)
        )
        last = self._at((flow.name, way(flow)[-1].name) for flow in self.flows)
        return (
            f"({over_range(last)})\n/ ignoring (step) group_right ()\n"
            f"(({over_range(self._freshest(on_the_way))}) > 0)"
        )

    def began(self) -> str:
        """Count at the first step."""
        return over_range(self._at((flow.name, way(flow)[0].name) for flow in self.flows))

    def completion(self, *, before: bool = False) -> str:
        """Return how many of those at the first step reached the last."""
        over = over_range_before if before else over_range
        first, last = (
            over(self._at((flow.name, way(flow)[n].name) for flow in self.flows)) for n in (0, -1)
        )
        return f"({last})\n/ ignoring (step)\n(({first}) > 0)"

    def _at(self, places: Iterable[tuple[str, str]]) -> str:
        return self._freshest(any_of(self._raw(*place(*each)) for each in places))

    def _counts(self) -> str:
        return self._freshest(self._raw())

    def _freshest(self, counts: str) -> str:
        return freshest(counts, *self.family.labels, at=DAY_THAT_ENDS)

    def _raw(self, *matchers: str) -> str:
        return sampled(self.family, DAY_WINDOW, FLOW, *self.matchers, *matchers, at=DAY_THAT_ENDS)


def columns_against_before(share: str, before: str) -> list[Column]:
    """Show a share as a bar, beside it that of the period before and the change in points."""
    return [
        Column(title="Share", expr=share, unit="percentunit", decimals=1, bar=True, width=110),
        Column(title="Before", expr=before, unit="percentunit", decimals=1, width=70),
        Column(
            title="Change, points",
            expr=difference(share, before),
            unit="none",
            decimals=1,
            better=Better(up=True, noise=1),
            width=70,
        ),
    ]
