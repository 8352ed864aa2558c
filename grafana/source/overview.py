"""The overview: is sign-in healthy, where do people drop off, since when, is the data whole?"""

from grafana_foundation_sdk.models.dashboard import Panel

from exporter.domain.kpis import KPIS, Unit
from exporter.metrics.families import COMPLETENESS, MISSING, NEWEST_INTERACTION, SNAPSHOT_TIME
from grafana.source import variables
from grafana.source.annotations import alerts, milestones
from grafana.source.dashboard import Dashboard, Section, Service, Uid
from grafana.source.panels import (
    PLAIN,
    Better,
    Column,
    PanelOptions,
    Query,
    Steps,
    bar_gauge,
    chart,
    repeated,
    stat,
    stat_with_change,
    table,
)
from grafana.source.promql import (
    ALERTS,
    ALERTS_SINCE,
    FIRING,
    FLOW,
    KPI_ALERT,
    WEEK_BEFORE,
    WINDOW,
    change,
    freshest,
    kpi,
    sampled,
    selector,
    total,
)
from grafana.source.style import (
    BAD,
    BLUE,
    GOOD,
    GREY,
    ORANGE,
    WARNING,
    colour,
    of_query,
    outcome_colours,
    stacked,
)
from grafana.source.thresholds import Thresholds
from grafana.source.units import unit_of

_ENOUGH = 0.95  # of a window's interactions, to be read as if all were in
_POINT = 0.01  # a ratio that moves by less has not moved
_TENTH = 0.1  # nor has a count that moves by less
_BEFORE = {
    **colour(GREY),
    "custom.lineStyle": {"fill": "dash", "dash": [10, 8]},
    "custom.lineWidth": 1,
}
_TO_SEGMENT = (
    "/d/kpi-segments?var-segmentation=${__data.fields.Segmentation}"
    "&var-segment=${__data.fields.Segment}&${datasource:queryparam}&${job:queryparam}"
    "&${instance:queryparam}&${window:queryparam}&${__url_time_range}"
)


def overview(service: Service) -> Dashboard:
    """Lay out the overview."""
    return Dashboard(
        uid=Uid.OVERVIEW,
        title="Sign-in: overview",
        description="Is sign-in healthy, where do people drop off, since when, is the data whole?",
        since="now-7d",
        refresh="1m",
        variables=[*variables.exporters(), variables.window(), variables.flows()],
        annotations=[milestones(), alerts()],
        sections=[
            Section(title="Is sign-in healthy?", panels=_health(service.thresholds)),
            Section(
                title="What is firing, and can the numbers be trusted?",
                panels=[_firing(), *_trust(service.thresholds)],
            ),
            Section(title="Since when?", panels=_history()),
            Section(title="Where do people drop off?", panels=[_funnels()]),
        ],
    )


def _health(thresholds: Thresholds) -> list[Panel]:
    return [
        _tile("sign_in_attempts", "Interactions of the last $window.", up=True),
        _tile(
            "bounce_ratio",
            "Of the dialogs shown in the last $window, those whose user did not engage:"
            " 1 - engaged / shown. Engagement without a shown dialog counts too, so it can fall"
            " below 0. Red from the alert's threshold on.",
            up=False,
            steps=((None, BLUE), (thresholds.bounce_ratio, BAD)),
        ),
        _tile(
            "abandonment_ratio",
            "Of the dialogs shown in the last $window, those whose user neither engaged nor was"
            " signed in. Red from the alert's threshold on.",
            up=False,
            steps=((None, BLUE), (thresholds.abandonment_ratio, BAD)),
        ),
        _tile("new_users", "Dialogs of the last $window that made a new user.", up=True),
        _tile(
            "new_user_success_ratio",
            "New users / (bounces + failures + new users) in the last $window. Returning users'"
            " bounces and failures are among them, for nothing tells them apart.",
            up=True,
        ),
        _tile(
            "sites_signed_in_mean",
            "Mean number of sites that the users of the last $window are signed in to.",
            up=None,
        ),
        repeated(
            stat_with_change(
                PanelOptions(
                    title="Completed: $flow",
                    description="Interactions that reached the flow's last step / those that"
                    " reached its first, in the last $window. Steps may be taken in different"
                    " dialogs, so that more can reach the last than the first.",
                    width=24,
                    height=5,
                ),
                now=kpi(total("flow_completion_ratio"), FLOW),
                change=change(total("flow_completion_ratio"), FLOW, relative=False),
                unit="percentunit",
                better=Better(up=True, noise=_POINT),
            ),
            over="flow",
        ),
    ]


def _tile(name: str, description: str, *, up: bool | None, steps: Steps = PLAIN) -> Panel:
    one, family = KPIS[name], total(name)
    ratio = one.unit is Unit.RATIO
    measure = "In percentage points" if ratio else "As a share"
    return stat_with_change(
        PanelOptions(
            title=one.title,
            description=f"{description} {measure}: the change against the week before.",
            width=4,
            height=5,
        ),
        now=kpi(family),
        change=change(family, relative=not ratio),
        unit=unit_of(one.unit),
        better=Better(up=up, noise=_POINT if ratio else _TENTH),
        steps=steps,
    )


def _firing() -> Panel:
    labels = "alertname, severity, segmentation, segment, window"
    since, firing = selector(ALERTS_SINCE, KPI_ALERT), selector(ALERTS, KPI_ALERT, FIRING)
    return table(
        PanelOptions(
            title="Firing alerts",
            description="Alerts of this project that fire at the end of the time range, and since"
            " when what they watch has been so. Without a segment: all interactions.",
            width=12,
            height=7,
        ),
        Column(title="Alert", label="alertname"),
        Column(title="Severity", label="severity"),
        Column(title="Segmentation", label="segmentation"),
        Column(title="Segment", label="segment", link=("Compare the segments", _TO_SEGMENT)),
        Column(title="Window", label="window"),
        Column(
            title="Since",
            expr=f"1000 * max by ({labels}) (\n  {since}\n  and ignoring (alertstate) {firing}\n)",
            unit="dateTimeFromNow",
        ),
        order=["Since"],
        empty="Nothing is firing.",
    )


def _trust(thresholds: Thresholds) -> list[Panel]:
    def age(text: str) -> str:
        return f"time() - max without (instance) ({text})"

    return [
        stat(
            PanelOptions(
                title="KPIs computed",
                description="How long ago the KPIs were computed. That happens after each import"
                " and at every full hour.",
                width=3,
                height=7,
            ),
            Query(expr=age(sampled(SNAPSHOT_TIME)), instant=True),
            unit="s",
            steps=((None, GOOD), (thresholds.snapshot_age_seconds, BAD)),
        ),
        stat(
            PanelOptions(
                title="Newest interaction",
                description="How long ago the newest interaction happened. Clients round to ten"
                " minutes and send at the user's next dialog.",
                width=3,
                height=7,
            ),
            Query(expr=age(sampled(NEWEST_INTERACTION)), instant=True),
            unit="s",
        ),
        stat(
            PanelOptions(
                title="Already in",
                description="Share of the interactions of the last $window expected to have"
                " arrived, by how late they came in the past. While it is low, counts are too"
                " small and ratios may still move. No sample while too little is known.",
                width=3,
                height=7,
            ),
            Query(expr=freshest(sampled(COMPLETENESS, WINDOW))),
            unit="percentunit",
            steps=((None, WARNING), (_ENOUGH, GOOD)),
        ),
        stat(
            PanelOptions(
                title="Missing",
                description="Interactions that the source holds and that are not accounted for"
                " here. Some always are, for late ones wait to be fetched; an alert tells when they"
                " are too many. No sample where the source cannot count.",
                width=3,
                height=7,
            ),
            Query(expr=freshest(sampled(MISSING))),
            unit="short",
        ),
    ]


def _history() -> list[Panel]:
    before = "the week before"
    return [
        chart(
            PanelOptions(
                title="Bounce and abandonment over time",
                description="Both rates over the $window before each instant, and the bounce rate"
                " a week earlier. Between the two lies who was signed in without a screen.",
            ),
            Query(expr=kpi(total("bounce_ratio")), legend="bounce rate"),
            Query(expr=kpi(total("abandonment_ratio")), legend="abandonment rate"),
            Query(expr=kpi(total("bounce_ratio"), at=WEEK_BEFORE), legend=f"bounce rate, {before}"),
            unit="percentunit",
            overrides=[
                of_query("A", colour(ORANGE)),
                of_query("B", colour(BLUE)),
                of_query("C", _BEFORE),
            ],
        ),
        _against_before("sign_in_attempts", "Interactions of the $window before each instant."),
        chart(
            PanelOptions(
                title="Dialogs by outcome",
                description="How the dialogs shown in the $window before each instant ended:"
                " returning users (assertion), new ones (fallback, idp), engaged and not signed"
                " in (fail), not engaged (bounce).",
            ),
            Query(expr=kpi(total("dialogs")), legend="{{outcome}}"),
            unit="short",
            minimum=0,
            overrides=[*outcome_colours(), stacked()],
        ),
        _against_before(
            "new_user_success_ratio",
            "New users / (bounces + failures + new users) of the $window before each instant.",
        ),
    ]


def _against_before(name: str, description: str) -> Panel:
    one, family = KPIS[name], total(name)
    return chart(
        PanelOptions(
            title=f"{one.title} over time", description=f"{description} Dashed: a week earlier."
        ),
        Query(expr=kpi(family), legend="now"),
        Query(expr=kpi(family, at=WEEK_BEFORE), legend="the week before"),
        unit=unit_of(one.unit),
        minimum=0,
        overrides=[of_query("A", colour(BLUE)), of_query("B", _BEFORE)],
    )


def _funnels() -> Panel:
    return repeated(
        bar_gauge(
            PanelOptions(
                title="Steps: $flow",
                description="Interactions of the last $window that reached each step. An error"
                " screen is a step too: few there is good.",
                width=24,
                height=9,
            ),
            expr=kpi(total("flow_step_interactions"), FLOW),
            label="step",
            unit="short",
        ),
        over="flow",
    )
