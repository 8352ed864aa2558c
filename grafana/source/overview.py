"""The overview: where are people lost, is sign-in healthy, since when, is the data whole?"""

from collections.abc import Mapping

from grafana_foundation_sdk.models.dashboard import Panel

from exporter.domain.definitions import Flow
from exporter.domain.kpis import KPIS, Unit
from exporter.metrics.families import (
    COMPLETENESS,
    MISSING,
    NEWEST_INTERACTION,
    SNAPSHOT_TIME,
    Family,
)
from grafana.source import durations, variables
from grafana.source.annotations import alerts, milestones
from grafana.source.chart import Axis, chart
from grafana.source.dashboard import Dashboard, Section, Service, Uid
from grafana.source.firing import firing, how_many_fire
from grafana.source.panel import PLAIN, Better, PanelOptions, Query, Steps
from grafana.source.promql import (
    SEGMENTATION,
    WEEK_BEFORE,
    WINDOW,
    by_segment,
    by_service,
    difference,
    expected,
    freshest,
    growth,
    kpi,
    sampled,
    total,
)
from grafana.source.stat import stat, stat_with_change
from grafana.source.steps import SUMMED, columns_against_before
from grafana.source.steps import Steps as FlowSteps
from grafana.source.style import (
    BAD,
    BEFORE,
    BLUE,
    GOOD,
    ORANGE,
    SKY,
    WARNING,
    colour,
    of_query,
    outcome_colours,
    stacked,
)
from grafana.source.table import Column, table
from grafana.source.thresholds import Thresholds
from grafana.source.units import unit_of

_ENOUGH = 0.95  # of a window's interactions, to be read as if all were in
_POINT = 1  # a ratio that moves by less has not moved
_TENTH = 10  # nor has a count that moves by fewer percent
_PERIOD = (
    "Change: in percentage points, against the period of the same length before, of which the"
    " share is beside it."
)


def overview(service: Service) -> Dashboard:
    """Lay out the overview."""
    return Dashboard(
        uid=Uid.OVERVIEW,
        description="Where are people lost, is sign-in healthy, since when, is the data whole?",
        since="now-7d",
        refresh="1m",
        variables=[
            *variables.exporters(),
            variables.window(),
            variables.flow(service, _flow_of_the_dialog(service)),
            variables.segmentation(service),
        ],
        annotations=[milestones(), alerts()],
        sections=[
            Section(title="Where are people lost?", panels=_funnel(service)),
            *_how_long(service),
            Section(title="Is sign-in healthy?", panels=_health(service)),
            Section(
                title="What is firing, and can the numbers be trusted?",
                panels=[firing(service), how_many_fire(), *_trust(service.thresholds)],
            ),
            Section(title="Since when?", panels=_history(service.thresholds)),
        ],
    )


def _how_long(service: Service) -> list[Section]:
    if not service.definitions.durations:
        return []
    return [Section(title="How long does it take?", panels=durations.in_total(service))]


def _flow_of_the_dialog(service: Service) -> Flow:
    """Return the flow that the bounce rate is about."""
    definitions = service.definitions
    shown = definitions.outcomes.shown.flow
    return next(flow for flow in definitions.flows if flow.name == shown)


def _funnel(service: Service) -> list[Panel]:
    flows = service.definitions.flows
    steps = FlowSteps(family=total("flow_step_interactions"), flows=flows)
    segments = FlowSteps(
        family=by_segment("flow_step_interactions"), flows=flows, matchers=(SEGMENTATION,)
    )
    return [
        table(
            PanelOptions(
                title="Steps of $flow",
                description=f"How many reached each step, and as a share of the first. {SUMMED}"
                f" {_PERIOD}",
                width=13,
                height=9,
            ),
            Column(title="Step", label="step"),
            Column(title="Reached", expr=steps.reached(), width=75),
            *columns_against_before(steps.share(), steps.share(before=True)),
            order=["Step"],
            descending=False,
        ),
        table(
            PanelOptions(
                title="Completed $flow, by $segmentation",
                description="How many of those at the first step reached the last, the worst first."
                f" {SUMMED} {_PERIOD}",
                width=11,
                height=9,
            ),
            Column(title="Segment", label="segment"),
            Column(title="Began", expr=segments.began(), width=60),
            *columns_against_before(segments.completion(), segments.completion(before=True)),
            order=["Share"],
            descending=False,
        ),
    ]


# -- Now --


def _health(service: Service) -> list[Panel]:
    thresholds = service.thresholds
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
            "Of the dialogs of the last $window whose user was not a returning one, those that"
            " made a new user.",
            up=True,
        ),
        _tile(
            "sites_signed_in_mean",
            "To how many sites the users of the last $window are signed in.",
            up=None,
        ),
        _completions(service.titles.flows),
    ]


def _tile(name: str, description: str, *, up: bool | None, steps: Steps = PLAIN) -> Panel:
    one, family = KPIS[name], total(name)
    ratio = one.unit is Unit.RATIO
    counted = one.unit in {Unit.INTERACTIONS, Unit.USERS}
    measure = "in percentage points" if ratio else "in percent"
    if counted:
        measure += ", of the counts that are expected when all is in"
    return stat_with_change(
        PanelOptions(
            title=one.title,
            description=f"{description} The change against the week before is {measure}.",
            width=8,
            height=4,
        ),
        now=kpi(family),
        change=_change(family, unit=one.unit),
        unit=unit_of(one.unit),
        change_in="points" if ratio else "%",
        better=Better(up=up, noise=_POINT if ratio else _TENTH),
        steps=steps,
    )


def _change(family: Family, *, unit: Unit) -> str:
    if unit is Unit.RATIO:
        return difference(kpi(family), kpi(family, at=WEEK_BEFORE))
    value = expected if unit in {Unit.INTERACTIONS, Unit.USERS} else kpi
    return growth(value(family), value(family, at=WEEK_BEFORE))


def _completions(titles: Mapping[str, str]) -> Panel:
    now = kpi(total("flow_completion_ratio"))
    before = kpi(total("flow_completion_ratio"), at=WEEK_BEFORE)
    return table(
        PanelOptions(
            title="Completed flows",
            description="Interactions that reached the flow's last step / those that reached its"
            " first, in the last $window, and a week before. Steps may be taken in different"
            " dialogs, so that more can reach the last than the first: over 100%.",
            width=24,
            height=7,
        ),
        Column(title="Flow", label="flow", names=titles),
        *columns_against_before(now, before),
        order=["Flow"],
        descending=False,
    )


def _trust(thresholds: Thresholds) -> list[Panel]:
    def age(family: Family) -> str:
        return f"time() - {by_service('max', sampled(family))}"

    return [
        stat(
            PanelOptions(
                title="KPIs computed",
                description="How long ago the KPIs were computed. That happens after each import"
                " and at every full hour.",
                width=5,
                height=4,
            ),
            Query(expr=age(SNAPSHOT_TIME)),
            unit="s",
            steps=((None, GOOD), (thresholds.snapshot_age_seconds, BAD)),
        ),
        stat(
            PanelOptions(
                title="Newest interaction",
                description="How long ago the newest interaction happened. Clients round to ten"
                " minutes and send at the user's next dialog.",
                width=5,
                height=4,
            ),
            Query(expr=age(NEWEST_INTERACTION)),
            unit="s",
        ),
        stat(
            PanelOptions(
                title="Already in",
                description="Share of the interactions of the last $window expected to have"
                " arrived, by how late they came in the past. While it is low, counts are too"
                " small and ratios may still move.",
                width=5,
                height=4,
            ),
            Query(expr=freshest(sampled(COMPLETENESS, WINDOW), *COMPLETENESS.labels)),
            unit="percentunit",
            steps=((None, WARNING), (_ENOUGH, GOOD)),
            absent="not known yet",
        ),
        stat(
            PanelOptions(
                title="Missing",
                description="Interactions that the source holds and that are not accounted for"
                " here. Some always are, for late ones wait to be fetched; an alert tells when they"
                " are too many. Not applicable where there is no source, or it cannot count.",
                width=5,
                height=4,
            ),
            Query(expr=freshest(sampled(MISSING))),
            unit="short",
            absent="not applicable",
        ),
    ]


# -- Since when --


def _history(thresholds: Thresholds) -> list[Panel]:
    before = "the week before"
    return [
        chart(
            PanelOptions(
                title="Bounce and abandonment over time",
                description="Both rates over the $window before each instant, and the bounce rate"
                " a week earlier. Between the two lies who was signed in without a screen. Dashed:"
                " the alert's threshold.",
            ),
            Query(expr=kpi(total("bounce_ratio")), legend="bounce rate"),
            Query(expr=kpi(total("abandonment_ratio")), legend="abandonment rate"),
            Query(expr=kpi(total("bounce_ratio"), at=WEEK_BEFORE), legend=f"bounce rate, {before}"),
            unit="percentunit",
            axis=Axis(limit=thresholds.bounce_ratio),
            overrides=[
                of_query("A", colour(ORANGE)),
                of_query("B", colour(BLUE)),
                of_query("C", BEFORE),
            ],
        ),
        chart(
            PanelOptions(
                title="Sign-in attempts over time",
                description="Interactions of the $window before each instant: those that are in,"
                " and those expected when all is in, now and a week earlier.",
            ),
            Query(expr=kpi(total("sign_in_attempts")), legend="in by then"),
            Query(expr=expected(total("sign_in_attempts")), legend="expected"),
            Query(
                expr=expected(total("sign_in_attempts"), at=WEEK_BEFORE),
                legend=f"expected, {before}",
            ),
            unit="short",
            overrides=[
                of_query("A", colour(BLUE)),
                of_query("B", colour(SKY)),
                of_query("C", BEFORE),
            ],
        ),
        chart(
            PanelOptions(
                title="Dialogs by outcome",
                description="How the dialogs shown in the $window before each instant ended:"
                " returning users (assertion), new ones (fallback, idp), left to come back in"
                " another (continued), engaged and not signed in (fail), not engaged (bounce).",
            ),
            Query(expr=kpi(total("dialogs")), legend="{{outcome}}"),
            unit="short",
            overrides=[*outcome_colours(), stacked()],
        ),
        chart(
            PanelOptions(
                title="New user success over time",
                description="New users / (bounces + failures + new users) of the $window before"
                " each instant. Dashed: a week earlier.",
            ),
            Query(expr=kpi(total("new_user_success_ratio")), legend="now"),
            Query(expr=kpi(total("new_user_success_ratio"), at=WEEK_BEFORE), legend=before),
            unit="percentunit",
            overrides=[of_query("A", colour(BLUE)), of_query("B", BEFORE)],
        ),
    ]
