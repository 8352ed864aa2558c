"""How long it takes: half and nine of ten stay below, the last window against the one before."""

from collections.abc import Callable

from grafana_foundation_sdk.models.dashboard import Panel

from grafana.source.chart import chart
from grafana.source.dashboard import Service
from grafana.source.panel import Better, PanelOptions, Query
from grafana.source.promql import (
    DURATION,
    END_OF_RANGE,
    FLOW,
    NOW,
    SEGMENT,
    SEGMENTATION,
    SERVICE,
    WINDOW,
    WINDOW_BEFORE,
    Moment,
    any_of,
    by_segment,
    growth,
    kpi,
    quoted,
    relabelled,
    sampled,
    total,
)
from grafana.source.shares import Share
from grafana.source.style import BEFORE, of_column, of_query, segment_colours
from grafana.source.table import Column, table

_SAMPLE, _MEDIAN, _P90 = (
    "duration_interactions",
    "duration_median_seconds",
    "duration_p90_seconds",
)
_MEANING = (
    "Of those who got to the end, half took no longer than the median, nine of ten no longer than"
    " the other. It says nothing of those who left before."
)
_AGAINST = "Change: in percent, the last $window against the $window before it."
_CHOSEN = (SEGMENTATION, SEGMENT, DURATION)
_SLOWER = Better(up=False, noise=5)


def in_total(service: Service) -> list[Panel]:
    """Show all durations, now and over time."""
    titles = service.titles.durations
    named = [of_column(name, {"displayName": title}) for name, title in titles.items()]
    return [
        table(
            PanelOptions(
                title="How long it takes",
                description=f"{_MEANING} {_AGAINST}",
                width=24,
                height=6,
            ),
            Column(title="Duration", label="duration", names=titles),
            *_columns(lambda name, at: kpi(total(name), at=at)),
            order=["Duration"],
            descending=False,
        ),
        *(
            chart(
                PanelOptions(
                    title=heading, description=f"{_MEANING} Over the $window before each instant."
                ),
                Query(expr=kpi(total(name)), legend="{{duration}}"),
                unit="s",
                overrides=named,
            )
            for heading, name in (("Median over time", _MEDIAN), ("Nine of ten over time", _P90))
        ),
    ]


def by_segments(service: Service) -> list[Panel]:
    """Show the chosen duration by segment, now and over time."""
    size = sampled(by_segment(_SAMPLE), WINDOW, *_CHOSEN, at=END_OF_RANGE)
    labels = ("window", "segmentation", "segment")
    large = Share(part=size, whole=size, labels=labels, size_at_end=size).large()
    return [
        table(
            PanelOptions(
                title="$duration by $segmentation",
                description=f"{_MEANING} {_AGAINST} The slowest first.",
            ),
            Column(title="Segment", label="segment"),
            *_columns(lambda name, at: kpi(by_segment(name), *_CHOSEN, at=at), narrow=True),
            order=["Median"],
        ),
        chart(
            PanelOptions(
                title="$duration by $segmentation over time",
                description=f"{_MEANING} The median over the $window before each instant, of"
                " segments with $least or more at the end of the time range; dashed: all"
                " interactions.",
            ),
            Query(expr=f"{kpi(by_segment(_MEDIAN), *_CHOSEN)}\nand {large}", legend="{{segment}}"),
            Query(expr=kpi(total(_MEDIAN), DURATION), legend="all interactions"),
            unit="s",
            overrides=[*segment_colours(service.definitions), of_query("B", BEFORE)],
        ),
    ]


def of_flow(service: Service) -> Panel:
    """Show, beside a flow's steps, how long its users take.

    A duration of no flow stands beside the flow of the dialog.
    """
    dialog = service.definitions.outcomes.shown.flow
    chosen = f"group by ({SERVICE}, flow) ({sampled(total('flow_completion_ratio'), WINDOW, FLOW)})"

    def value(name: str, at: Moment) -> str:
        values = any_of(
            relabelled(
                kpi(total(name), f'duration="{quoted(one.name)}"', at=at),
                "flow",
                (one.flow or dialog).replace("$", "$$"),
            )
            for one in service.definitions.durations
        )
        return f"{values}\nand on ({SERVICE}, flow) {chosen}"

    return table(
        PanelOptions(
            title="How long $flow takes",
            description=f"{_MEANING} {_AGAINST} Not every flow has a duration.",
            width=24,
            height=5,
        ),
        Column(title="Duration", label="duration", names=service.titles.durations),
        *_columns(value),
        order=["Duration"],
        descending=False,
    )


def _columns(value: Callable[[str, Moment], str], *, narrow: bool = False) -> list[Column]:
    """Show sample, median and 90th percentile; with room for it, each beside that before."""
    columns = [Column(title="Sample", expr=value(_SAMPLE, NOW), width=65)]
    for heading, name in (("Median", _MEDIAN), ("Nine of ten", _P90)):
        now, before = value(name, NOW), value(name, WINDOW_BEFORE)
        columns.append(Column(title=heading, expr=now, unit="s", decimals=1, width=75))
        if not narrow:
            columns.append(
                Column(title=f"{heading} before", expr=before, unit="s", decimals=1, width=90)
            )
        columns.append(
            Column(
                title=f"{heading}: change, %",
                expr=growth(f"({now})", f"({before})"),
                unit="none",
                decimals=1,
                width=80,
                better=_SLOWER,
            )
        )
    return columns[:-1] if narrow else columns
