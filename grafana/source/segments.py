"""The segments: those of one segmentation side by side, the worst first, no rate without its n."""

from dataclasses import dataclass, replace

from grafana_foundation_sdk.models.dashboard import Panel

from exporter.domain.definitions import Flow, Rule
from exporter.domain.outcome import Outcome
from grafana.source import durations, variables
from grafana.source.annotations import alerts, milestones
from grafana.source.chart import ALL, chart
from grafana.source.dashboard import DAYS, Dashboard, Section, Service, Uid
from grafana.source.panel import PanelOptions, Query, repeated
from grafana.source.promql import (
    END_OF_RANGE,
    FLOW,
    NOW,
    SEGMENT,
    SEGMENTATION,
    WINDOW,
    Moment,
    any_of,
    by_segment,
    kpi,
    place,
    sampled,
    total,
)
from grafana.source.shares import Share
from grafana.source.steps import way
from grafana.source.style import (
    BEFORE,
    BLUE,
    GREY,
    SKY,
    colour,
    drawn,
    of_query,
    segment_colours,
    shown_as,
)
from grafana.source.table import Column, table

_BOUNDED = (
    "Over the last $window. At least, at most: the true share lies between the two with 95%"
    " confidence (Wilson's interval), so that 1 of 2 does not look like 500 of 1,000. Sorted by the"
    " bound that is sure; segments without a sample are left out."
)
_OVER_TIME = (
    "Over the $window before each instant. Segments with fewer than $least at the end of the time"
    " range are one line together; dashed: all interactions."
)
_AT_MOST_ALL = "Drawn at 100% where more came to the last step than to the first."
_CHOSEN = (SEGMENTATION, SEGMENT)
_LABELS = ("window", "segmentation", "segment")
_NEWCOMERS = (Outcome.BOUNCE, Outcome.FAIL, Outcome.IDP, Outcome.FALLBACK)
_ALL = "all interactions"
_SMALL = "segments below $least"
_TO_REPORTS = (
    "/d/kpi-reports?${segmentation:queryparam}"
    "&var-segment=${__data.fields.Segment:percentencode}"
    f"&${{datasource:queryparam}}&${{job:queryparam}}&${{instance:queryparam}}&{DAYS}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rate:
    """A rate to compare segments by; `high_is_bad` says which end is the worst."""

    title: str
    meaning: str
    high_is_bad: bool
    segments: Share
    all: Share


def segments(service: Service) -> Dashboard:
    """Lay out the segments."""
    rates = (_bounces(), _abandonments(), _failures(), _new_user_bounces(), _new_user_successes())
    flow = _flow_to_begin_with(service)
    return Dashboard(
        uid=Uid.SEGMENTS,
        description="Who is affected: the segments of one segmentation, the worst first.",
        since="now-7d",
        refresh="5m",
        variables=[
            *variables.exporters(),
            variables.window(),
            *variables.segments(service),
            variables.least(),
            variables.flow(service, flow),
            *variables.durations(service),
            variables.drawn(),
        ],
        annotations=[milestones(), alerts()],
        sections=[
            *(
                Section(title=rate.title, panels=[_table(rate), _over_time(rate, service)])
                for rate in rates
            ),
            Section(title="Completed: $flow", panels=_completion(service)),
            *_how_long(service),
            Section(title="Sizes, and sites signed in", panels=_sizes(service)),
            Section(title="Abandonment of each segment", panels=[_band(_abandonments())]),
        ],
    )


def _how_long(service: Service) -> list[Section]:
    if not service.definitions.durations:
        return []
    return [Section(title="How long it takes: $duration", panels=durations.by_segments(service))]


# -- The rates, each with its parts --


def _dialogs(*outcomes: Outcome, all_segments: bool = False, at: Moment = NOW) -> str:
    """Count the dialogs that ended in one of these ways."""
    ended = (f'outcome=~"{"|".join(outcomes)}"',) if outcomes else ()
    family, chosen = (total("dialogs"), ()) if all_segments else (by_segment("dialogs"), _CHOSEN)
    return f"sum without (outcome) ({sampled(family, WINDOW, *chosen, *ended, at=at)})"


def _of_dialogs(
    title: str,
    meaning: str,
    part: tuple[Outcome, ...],
    whole: tuple[Outcome, ...] = (),
    *,
    high_is_bad: bool = True,
) -> _Rate:
    return _Rate(
        title=title,
        meaning=meaning,
        high_is_bad=high_is_bad,
        segments=Share(
            part=_dialogs(*part),
            whole=_dialogs(*whole),
            labels=_LABELS,
            size_at_end=_dialogs(*whole, at=END_OF_RANGE),
        ),
        all=Share(
            part=_dialogs(*part, all_segments=True),
            whole=_dialogs(*whole, all_segments=True),
            labels=("window",),
        ),
    )


def _bounces() -> _Rate:
    return _of_dialogs("Bounces", "Shown dialogs whose user did not engage.", (Outcome.BOUNCE,))


def _abandonments() -> _Rate:
    bounced = _bounces()
    signed_in = sampled(by_segment("bounces_signed_in"), WINDOW, *_CHOSEN)
    all_signed_in = sampled(total("bounces_signed_in"), WINDOW)
    return _Rate(
        title="Abandoned",
        meaning="Shown dialogs whose user neither engaged nor was signed in.",
        high_is_bad=True,
        segments=replace(bounced.segments, part=f"{bounced.segments.part} - {signed_in}"),
        all=replace(bounced.all, part=f"{bounced.all.part} - {all_signed_in}"),
    )


def _failures() -> _Rate:
    return _of_dialogs(
        "Failed", "Shown dialogs whose user engaged and was not signed in.", (Outcome.FAIL,)
    )


def _new_user_bounces() -> _Rate:
    return _of_dialogs(
        "New user bounces",
        "Of all dialogs but the returning users', those that bounced.",
        (Outcome.BOUNCE,),
        _NEWCOMERS,
    )


def _new_user_successes() -> _Rate:
    return _of_dialogs(
        "New user success",
        "Of all dialogs but the returning users', those that made a new user.",
        (Outcome.IDP, Outcome.FALLBACK),
        _NEWCOMERS,
        high_is_bad=False,
    )


# -- Panels --


def _table(rate: _Rate) -> Panel:
    return table(
        PanelOptions(
            title=f"{rate.title} by $segmentation", description=f"{rate.meaning} {_BOUNDED}"
        ),
        *_columns(rate.segments),
        order=["At least" if rate.high_is_bad else "At most"],
        descending=rate.high_is_bad,
    )


def _columns(share: Share) -> list[Column]:
    return [
        Column(title="Segment", label="segment", link=("By day", _TO_REPORTS)),
        Column(title="Sample", expr=share.size(), width=75),
        Column(title="Share", expr=share.ratio(), unit="percentunit", decimals=1, bar=True),
        Column(title="At least", expr=share.bound("-"), unit="percentunit", decimals=1),
        Column(title="At most", expr=share.bound("+"), unit="percentunit", decimals=1),
    ]


def _over_time(rate: _Rate, service: Service) -> Panel:
    return _compared(
        PanelOptions(
            title=f"{rate.title} by $segmentation over time",
            description=f"{rate.meaning} {_OVER_TIME}",
        ),
        rate.segments.ratio_of_large(),
        rate.segments.ratio_of_small(),
        rate.all.ratio(),
        service,
    )


def _compared(
    options: PanelOptions, large: str, small: str, everything: str, service: Service
) -> Panel:
    """Draw the segments with a large sample, the others together, and all interactions."""
    return chart(
        options,
        Query(expr=large, legend="{{segment}} $drawn"),
        Query(expr=small, legend=_SMALL),
        Query(expr=everything, legend=_ALL),
        unit="percentunit",
        overrides=[
            *segment_colours(service.definitions),
            drawn(counts=False),
            of_query("B", {**colour(GREY), "custom.lineWidth": 1}),
            of_query("C", BEFORE),
            of_query("A", {"displayName": "${__field.labels.segment}"}),
        ],
    )


def _completion(service: Service) -> list[Panel]:
    share = _completed_of_begun(service)
    at_most_all = replace(share, part=f"({share.part} < {share.whole} or {share.whole})")
    meaning = "Interactions at the flow's last step / at its first."
    return [
        table(
            PanelOptions(
                title="Completed: $flow by $segmentation",
                description=f"{meaning} More than all count as all. {_BOUNDED}",
            ),
            *_columns(at_most_all),
            order=["At most"],
            descending=False,
        ),
        _compared(
            PanelOptions(
                title="Completed: $flow by $segmentation over time",
                description=f"{meaning} {_AT_MOST_ALL} {_OVER_TIME}",
            ),
            f"clamp_max({share.ratio()}, 1)\nand {share.large()}",
            f"clamp_max({share.ratio_of_small()}, 1)",
            f"clamp_max({kpi(total('flow_completion_ratio'), FLOW)}, 1)",
            service,
        ),
    ]


def _completed_of_begun(service: Service) -> Share:
    """Count at the last and the first step of the chosen flow."""

    def at_step(n: int, moment: Moment = NOW) -> str:
        family = by_segment("flow_step_interactions")
        counts = any_of(
            sampled(family, WINDOW, *_CHOSEN, FLOW, *place(flow.name, way(flow)[n].name), at=moment)
            for flow in service.definitions.flows
        )
        return f"sum without (step, flow) ({counts})"

    return Share(
        part=at_step(-1),
        whole=at_step(0),
        labels=_LABELS,
        size_at_end=at_step(0, END_OF_RANGE),
    )


def _sizes(service: Service) -> list[Panel]:
    attempts = kpi(by_segment("sign_in_attempts"), *_CHOSEN)
    return [
        table(
            PanelOptions(
                title="Sizes of $segmentation",
                description="Interactions of the last $window, the segment's share of all, and to"
                " how many sites its users are signed in, on the average and in the middle.",
            ),
            Column(title="Segment", label="segment", link=("By day", _TO_REPORTS)),
            Column(title="Interactions", expr=attempts),
            Column(
                title="Of all",
                expr=f"{attempts}\n/ ignoring (segmentation, segment) group_left ()\n"
                f"({kpi(total('sign_in_attempts'))} > 0)",
                unit="percentunit",
                decimals=1,
                bar=True,
            ),
            Column(
                title="Sites, mean",
                expr=kpi(by_segment("sites_signed_in_mean"), *_CHOSEN),
                decimals=2,
            ),
            Column(
                title="Sites, median",
                expr=kpi(by_segment("sites_signed_in_median"), *_CHOSEN),
                decimals=1,
            ),
            order=["Interactions"],
        ),
        chart(
            PanelOptions(
                title="Sizes of $segmentation over time",
                description="Interactions of the $window before each instant.",
            ),
            Query(expr=attempts, legend="{{segment}} $drawn"),
            unit="short",
            overrides=[
                *segment_colours(service.definitions),
                drawn(counts=True),
                shown_as("${__field.labels.segment}"),
            ],
        ),
    ]


def _band(rate: _Rate) -> Panel:
    """One small chart for each segment: the rate within its bounds."""
    edge = {**colour(SKY), "custom.lineWidth": 0}
    return repeated(
        chart(
            PanelOptions(
                title="$segment",
                description=f"{rate.meaning} Over the $window before each instant, within 95%"
                " confidence bounds: the wider the band, the smaller the sample. The same axis for"
                " all.",
                width=24,
                height=7,
            ),
            Query(expr=rate.segments.ratio(), legend="share"),
            Query(expr=rate.segments.bound("-"), legend="at least"),
            Query(expr=rate.segments.bound("+"), legend="at most"),
            unit="percentunit",
            axis=ALL,
            overrides=[
                of_query("A", colour(BLUE)),
                of_query("B", edge),
                of_query("C", {**edge, "custom.fillBelowTo": "at least", "custom.fillOpacity": 30}),
            ],
        ),
        over="segment",
    )


def _flow_to_begin_with(service: Service) -> Flow:
    """Return the first flow that not every interaction belongs to, where there is one."""
    flows = service.definitions.flows
    return next((flow for flow in flows if flow.rule != Rule()), flows[0])
