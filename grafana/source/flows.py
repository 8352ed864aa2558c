"""The flows: how many reach each step, day by day and over any range of days."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from grafana_foundation_sdk.models.dashboard import Panel

from exporter.domain.definitions import Flow
from exporter.metrics.families import Family
from grafana.source import variables
from grafana.source.annotations import alerts, milestones
from grafana.source.dashboard import Dashboard, Section, Service, Uid
from grafana.source.panels import DAY, Column, PanelOptions, Query, chart, table
from grafana.source.promql import (
    DAY_WINDOW,
    END_OF_DAY,
    FLOW,
    SEGMENT,
    SEGMENTATION,
    by_segment,
    freshest,
    kpi,
    sampled,
    total,
)
from grafana.source.style import drawn, segment_colours, shown_as, step_colours

_DAILY = (
    "One value a UTC day, at its date: the trailing $window that ends with the day, which for 1d"
    " is the day itself."
)
_SUMMED = (
    "Added up over the UTC days that begin in the time range and are over (from the window 1d,"
    " which has to be configured). Make this step: of those at the first step. Take the next: of"
    " those at this step. Complete all: of those at this step, how many reached the last. Steps"
    " may be taken in different dialogs, so that a later step can have more than an earlier one."
)


def flows(service: Service) -> Dashboard:
    """Lay out one row for each flow."""
    return Dashboard(
        uid=Uid.FLOWS,
        title="Sign-in: flows",
        description="Where in each flow people drop off, by day and over any range of days.",
        since="now-30d",
        refresh="5m",
        variables=[
            *variables.exporters(),
            variables.window(),
            variables.flows(),
            *variables.segments(service.definitions.segmentations[0].name),
            variables.drawn(),
        ],
        annotations=[milestones(), alerts()],
        sections=[
            Section(
                title="$flow",
                repeat="flow",
                panels=[
                    _table(service.definitions.flows),
                    _shares(service),
                    _table_by_segment(service.definitions.flows),
                    _completion(service),
                    _dropoff(service),
                    _interactions(service),
                ],
            )
        ],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Steps:
    """The counts at the steps of all flows over the days of the range, as PromQL."""

    family: Family
    matchers: tuple[str, ...]
    flows: tuple[Flow, ...]

    def these(self) -> str:
        """Count at each step."""
        return _over_days(self._counts())

    def first(self) -> str:
        """Count at the flow's first step."""
        return self._of((flow.name, flow.steps[0].name) for flow in self.flows)

    def last(self) -> str:
        """Count at the flow's last step."""
        return self._of((flow.name, flow.steps[-1].name) for flow in self.flows)

    def next(self) -> str:
        """Count at the step after each step, under that step's name."""
        return _any_over_days(
            f'label_replace({self._counts(*_place(flow.name, after.name))}, "step",'
            f' "{_quoted(step.name)}", "", "")'
            for flow in self.flows
            for step, after in pairwise(flow.steps)
        )

    def _of(self, places: Iterable[tuple[str, str]]) -> str:
        return _any_over_days(self._counts(*_place(*place)) for place in places)

    def _counts(self, *matchers: str) -> str:
        return sampled(self.family, DAY_WINDOW, FLOW, *self.matchers, *matchers, at=END_OF_DAY)


def _over_days(counts: str) -> str:
    return f"sum_over_time((\n{freshest(counts, END_OF_DAY)}\n)[$__range:1d])"


def _any_over_days(counts: Iterable[str]) -> str:
    return _over_days("(\n  {}\n)".format("\n  or ".join(counts)))


def _place(flow: str, step: str) -> tuple[str, str]:
    return f'flow="{_quoted(flow)}"', f'step="{_quoted(step)}"'


def _quoted(name: str) -> str:
    return name.replace("\\", r"\\").replace('"', r"\"")


def _columns(steps: _Steps) -> list[Column]:
    each = f"({steps.these()} > 0)"
    return [
        Column(title="Count", expr=steps.these()),
        Column(
            title="Make this step",
            expr=f"{steps.these()}\n/ ignoring (step) group_left ()\n({steps.first()} > 0)",
            unit="percentunit",
            decimals=1,
        ),
        Column(
            title="Take the next",
            expr=f"{steps.next()}\n/\n{each}",
            unit="percentunit",
            decimals=1,
        ),
        Column(
            title="Complete all",
            expr=f"(\n{steps.last()}\n) / ignoring (step) group_right ()\n{each}",
            unit="percentunit",
            decimals=1,
        ),
    ]


def _table(flows: tuple[Flow, ...]) -> Panel:
    steps = _Steps(family=total("flow_step_interactions"), matchers=(), flows=flows)
    return table(
        PanelOptions(title="Steps of $flow", description=_SUMMED),
        Column(title="Step", label="step"),
        *_columns(steps),
        order=["Step"],
        descending=False,
    )


def _table_by_segment(flows: tuple[Flow, ...]) -> Panel:
    steps = _Steps(
        family=by_segment("flow_step_interactions"),
        matchers=(SEGMENTATION, SEGMENT),
        flows=flows,
    )
    return table(
        PanelOptions(title="Steps of $flow by $segmentation", description=_SUMMED, height=10),
        Column(title="Segment", label="segment"),
        Column(title="Step", label="step"),
        *_columns(steps),
        order=["Segment", "Step"],
        descending=False,
    )


def _shares(service: Service) -> Panel:
    return chart(
        PanelOptions(
            title="Steps of $flow over time",
            description=f"Of those at the flow's first step, how many reached each? {_DAILY}",
        ),
        Query(expr=kpi(total("flow_step_ratio"), FLOW, at=END_OF_DAY), legend="{{step}} $drawn"),
        unit="percentunit",
        interval=DAY,
        minimum=0,
        overrides=[
            *step_colours(service.definitions),
            drawn(counts=False),
            shown_as("${__field.labels.step}"),
        ],
    )


def _completion(service: Service) -> Panel:
    return chart(
        PanelOptions(
            title="Completed: $flow by $segmentation",
            description=f"Interactions at the flow's last step / at its first. {_DAILY}",
            height=10,
        ),
        Query(
            expr=kpi(
                by_segment("flow_completion_ratio"), FLOW, SEGMENTATION, SEGMENT, at=END_OF_DAY
            ),
            legend="{{segment}} $drawn",
        ),
        unit="percentunit",
        interval=DAY,
        minimum=0,
        overrides=[
            *segment_colours(service.definitions),
            drawn(counts=False),
            shown_as("${__field.labels.segment}"),
        ],
    )


def _dropoff(service: Service) -> Panel:
    return chart(
        PanelOptions(
            title="Drop-off of $flow",
            description="Of those at the step before, how many did not reach this one? Below 0"
            f" where more came to it than to the one before. {_DAILY}",
        ),
        Query(
            expr=kpi(total("flow_step_dropoff_ratio"), FLOW, at=END_OF_DAY),
            legend="{{step}} $drawn",
        ),
        unit="percentunit",
        interval=DAY,
        overrides=[
            *step_colours(service.definitions),
            drawn(counts=False),
            shown_as("${__field.labels.step}"),
        ],
    )


def _interactions(service: Service) -> Panel:
    return chart(
        PanelOptions(
            title="Interactions of $flow",
            description=f"How many reached each step? {_DAILY}",
        ),
        Query(
            expr=kpi(total("flow_step_interactions"), FLOW, at=END_OF_DAY),
            legend="{{step}} $drawn",
        ),
        unit="short",
        interval=DAY,
        minimum=0,
        overrides=[
            *step_colours(service.definitions),
            # Those at a step are among those at the one before: nothing to stack.
            drawn(counts=False),
            shown_as("${__field.labels.step}"),
        ],
    )
