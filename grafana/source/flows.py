"""The flows: how many reach each step, day by day and over any range of days."""

from grafana_foundation_sdk.models.dashboard import Panel

from exporter.domain.definitions import Flow
from grafana.source import durations, variables
from grafana.source.annotations import alerts, milestones
from grafana.source.chart import DAY, NO_DAY, chart
from grafana.source.dashboard import Dashboard, Section, Service, Uid
from grafana.source.panel import PanelOptions, Query
from grafana.source.periods import in_view
from grafana.source.promql import (
    DAY_THAT_BEGINS,
    FLOW,
    SEGMENT,
    SEGMENTATION,
    by_segment,
    kpi,
    total,
)
from grafana.source.steps import NOT_APPLICABLE, SUMMED, Steps, columns_against_before
from grafana.source.style import Override, drawn, segment_colours, shown_as, step_colours
from grafana.source.table import Column, table

_DAILY = (
    "One value a UTC day, at its date: the trailing $window that ends with the day, which for 1d"
    " is the day itself."
)
_AT_MOST_ALL = (
    "Steps may be taken in different dialogs, so that more can reach a later step than an earlier"
    " one: over 100%, drawn at 100%."
)
_COLUMNS = (
    "Share: of those at the first step. Go on: of those at this step, how many reached the next."
    " Complete: of those at this step, how many reached the last. A step beside the way, such as an"
    f" error screen, has neither. {_AT_MOST_ALL}"
)


def flows(service: Service) -> Dashboard:
    """Lay out one row for each flow."""
    return Dashboard(
        uid=Uid.FLOWS,
        description="Where in each flow people drop off, by day and over any range of days.",
        since="now-30d",
        refresh="5m",
        variables=[
            *variables.exporters(),
            variables.window(),
            variables.flows(service),
            *variables.segments(service),
            variables.drawn(),
        ],
        annotations=[milestones(), alerts()],
        sections=[
            Section(
                title="$flow",
                repeat="flow",
                panels=[
                    _table(service.definitions.flows),
                    *([durations.of_flow(service)] if service.definitions.durations else []),
                    _shares(service),
                    _dropoff(service),
                    _table_by_segment(service.definitions.flows),
                    _completion(service),
                    _interactions(service),
                ],
            )
        ],
    )


def _columns(steps: Steps) -> list[Column]:
    return [
        Column(
            title=heading,
            expr=expr,
            unit="percentunit",
            decimals=1,
            width=110,
            empty=NOT_APPLICABLE,
        )
        for heading, expr in (("Go on", steps.went_on()), ("Complete", steps.completed()))
    ]


def _table(flows: tuple[Flow, ...]) -> Panel:
    steps = Steps(family=total("flow_step_interactions"), flows=flows)
    return table(
        PanelOptions(
            title="Steps of $flow",
            description=f"{SUMMED} {_COLUMNS} Change: in percentage points, against the period of"
            " the same length before, of which the share is beside it.",
            width=24,
        ),
        Column(title="Step", label="step"),
        Column(title="Reached", expr=steps.reached(), width=80),
        *columns_against_before(steps.share(), steps.share(before=True)),
        *_columns(steps),
        order=["Step"],
        descending=False,
    )


def _table_by_segment(flows: tuple[Flow, ...]) -> Panel:
    steps = Steps(
        family=by_segment("flow_step_interactions"),
        flows=flows,
        matchers=(SEGMENTATION, SEGMENT),
    )
    return table(
        PanelOptions(
            title="Steps of $flow by $segmentation",
            description=f"{SUMMED} {_COLUMNS}",
            width=24,
            height=10,
        ),
        Column(title="Segment", label="segment"),
        Column(title="Step", label="step"),
        Column(title="Reached", expr=steps.reached(), width=80),
        Column(
            title="Share",
            expr=steps.share(),
            unit="percentunit",
            decimals=1,
            bar=True,
            width=130,
        ),
        *_columns(steps),
        order=["Segment", "Step"],
        descending=False,
    )


def _shares(service: Service) -> Panel:
    shares = kpi(total("flow_step_ratio"), FLOW, at=DAY_THAT_BEGINS)
    return _by_day(
        PanelOptions(
            title="Steps of $flow over time",
            description="Of those at the flow's first step, how many reached each?"
            f" {_DAILY} {_AT_MOST_ALL}",
        ),
        f"clamp_max({shares}, 1)",
        "step",
        step_colours(service.definitions),
    )


def _dropoff(service: Service) -> Panel:
    dropoff = kpi(total("flow_step_dropoff_ratio"), FLOW, at=DAY_THAT_BEGINS)
    return _by_day(
        PanelOptions(
            title="Drop-off of $flow",
            description="Of those at the step before, how many did not reach this one? Where more"
            f" came to it than to the one before, in other dialogs: 0%. {_DAILY}",
        ),
        f"clamp_min({dropoff}, 0)",
        "step",
        step_colours(service.definitions),
    )


def _completion(service: Service) -> Panel:
    completion = kpi(
        by_segment("flow_completion_ratio"), FLOW, SEGMENTATION, SEGMENT, at=DAY_THAT_BEGINS
    )
    return _by_day(
        PanelOptions(
            title="Completed: $flow by $segmentation",
            description=f"Interactions at the flow's last step / at its first. {_DAILY}"
            f" {_AT_MOST_ALL}",
        ),
        f"clamp_max({completion}, 1)",
        "segment",
        segment_colours(service.definitions),
    )


def _interactions(service: Service) -> Panel:
    # Those at a step are among those at the one before: nothing to stack.
    return _by_day(
        PanelOptions(
            title="Interactions of $flow",
            description=f"How many reached each step? {_DAILY}",
        ),
        kpi(total("flow_step_interactions"), FLOW, at=DAY_THAT_BEGINS),
        "step",
        step_colours(service.definitions),
        unit="short",
    )


def _by_day(
    options: PanelOptions,
    expr: str,
    label: str,
    colours: list[Override],
    *,
    unit: str = "percentunit",
) -> Panel:
    return chart(
        options,
        Query(expr=in_view(expr), legend=f"{{{{{label}}}}} $drawn"),
        unit=unit,
        interval=DAY,
        absent=NO_DAY,
        overrides=[*colours, drawn(counts=False), shown_as(f"${{__field.labels.{label}}}")],
    )
