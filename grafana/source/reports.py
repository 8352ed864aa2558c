"""The reports by day: each KPI in total and by segment, as the old dashboard had them."""

from dataclasses import dataclass

from grafana_foundation_sdk.models.dashboard import Panel

from exporter.domain.kpis import KPIS, Unit
from exporter.metrics.families import COMPLETENESS
from grafana.source import variables
from grafana.source.annotations import alerts, milestones
from grafana.source.chart import ALL, DAY, NO_DAY, chart
from grafana.source.dashboard import Dashboard, Section, Service, Uid
from grafana.source.panel import PanelOptions, Query
from grafana.source.periods import in_view
from grafana.source.promql import (
    DAY_THAT_BEGINS,
    SEGMENT,
    SEGMENTATION,
    WINDOW,
    by_segment,
    freshest,
    kpi,
    sampled,
    total,
)
from grafana.source.style import BLUE, colour, drawn, of_query, segment_colours, shown_as
from grafana.source.units import unit_of

_DAILY = (
    "One value a UTC day, at its date: the trailing $window that ends with the day, which for 1d"
    " is the day itself. As known when the day ended, or when history was backfilled; today"
    " appears with its last hour."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A KPI by day. `name` is that of `/data/NAME`, empty for a KPI the old dashboard lacked."""

    kpi: str
    name: str
    question: str

    @property
    def title(self) -> str:
        """What people call it."""
        return KPIS[self.kpi].title


REPORTS = (
    Report(
        kpi="sign_in_attempts",
        name="assertions",
        question="How many interactions were there?",
    ),
    Report(
        kpi="bounce_ratio",
        name="bounce_rate",
        question="How many saw the dialog and did not engage? 1 - engaged / shown; below 0 where"
        " more engaged than the dialog was shown to.",
    ),
    Report(
        kpi="abandonment_ratio",
        name="",
        question="How many saw the dialog, did not engage and were not signed in either?",
    ),
    Report(
        kpi="new_user_bounce_ratio",
        name="new_user_bounce",
        question="Of all but returning users, how many bounced?",
    ),
    Report(
        kpi="new_user_success_ratio",
        name="new_user_success",
        question="Of all but returning users, how many ended as new users?",
    ),
    Report(kpi="new_users", name="new_user_per_day", question="How many new users came?"),
    Report(
        kpi="sites_signed_in_mean",
        name="sites",
        question="To how many sites are users signed in, on the average?",
    ),
    Report(
        kpi="sites_signed_in_median",
        name="sites_median",
        question="To how many sites is the user in the middle signed in?",
    ),
)


def reports(service: Service) -> Dashboard:
    """Lay out the reports by day."""
    return Dashboard(
        uid=Uid.REPORTS,
        description="Each KPI by day, in total and by segment.",
        since="now-30d",
        refresh="5m",
        variables=[
            *variables.exporters(),
            variables.window(),
            *variables.segments(service),
            variables.drawn(),
        ],
        annotations=[milestones(), alerts()],
        sections=[
            *(
                Section(title=report.title, panels=[_total(report), _segments(report, service)])
                for report in REPORTS
            ),
            Section(title="How much of each day was in?", panels=[_completeness()]),
        ],
        pages={"As known now (the exporter's own page)": f"{service.exporter}/?days=30"},
    )


def _total(report: Report) -> Panel:
    one = KPIS[report.kpi]
    return chart(
        PanelOptions(title=f"{report.title}, total", description=f"{report.question} {_DAILY}"),
        Query(expr=in_view(kpi(total(report.kpi), at=DAY_THAT_BEGINS)), legend="total $drawn"),
        unit=unit_of(one.unit),
        interval=DAY,
        absent=NO_DAY,
        overrides=[of_query("A", colour(BLUE)), drawn(counts=False), shown_as("total")],
    )


def _segments(report: Report, service: Service) -> Panel:
    one = KPIS[report.kpi]
    by_day = kpi(by_segment(report.kpi), SEGMENTATION, SEGMENT, at=DAY_THAT_BEGINS)
    return chart(
        PanelOptions(
            title=f"{report.title} by $segmentation",
            description=f"{report.question} {_DAILY}",
        ),
        Query(expr=in_view(by_day), legend="{{segment}} $drawn"),
        unit=unit_of(one.unit),
        interval=DAY,
        absent=NO_DAY,
        overrides=[
            *segment_colours(service.definitions),
            drawn(counts=one.unit in {Unit.INTERACTIONS, Unit.USERS}),
            shown_as("${__field.labels.segment}"),
        ],
    )


def _completeness() -> Panel:
    known = sampled(COMPLETENESS, WINDOW, at=DAY_THAT_BEGINS)
    return chart(
        PanelOptions(
            title="In when the day ended",
            description="Share of the interactions of the $window that ended with each day that"
            " were expected to be in by then, by how late they came before. What came later is in"
            " the exporter's own page and in `kpi-exporter report`, not in the charts above. A gap:"
            " not known, or from a history that was written later and has all.",
            width=24,
            height=6,
        ),
        Query(
            expr=in_view(freshest(known, *COMPLETENESS.labels, at=DAY_THAT_BEGINS)),
            legend="expected to be in",
        ),
        unit="percentunit",
        interval=DAY,
        axis=ALL,
        absent="not known",
        overrides=[of_query("A", colour(BLUE))],
    )
