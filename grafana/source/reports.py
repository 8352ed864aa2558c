"""The reports by day: each KPI in total and by segment, as the old dashboard had them."""

from dataclasses import dataclass

from grafana_foundation_sdk.models.dashboard import Panel

from exporter.domain.kpis import KPIS, Unit
from grafana.source import variables
from grafana.source.annotations import alerts, milestones
from grafana.source.dashboard import Dashboard, Section, Service, Uid
from grafana.source.panels import DAY, PanelOptions, Query, chart
from grafana.source.promql import END_OF_DAY, SEGMENT, SEGMENTATION, by_segment, kpi, total
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
        title="Sign-in: reports by day",
        description="Each KPI by day, in total and by segment.",
        since="now-30d",
        refresh="5m",
        variables=[
            *variables.exporters(),
            variables.window(),
            *variables.segments(service.definitions.segmentations[0].name),
            variables.drawn(),
        ],
        annotations=[milestones(), alerts()],
        sections=[
            Section(title=report.title, panels=[_total(report), _segments(report, service)])
            for report in REPORTS
        ],
    )


def _total(report: Report) -> Panel:
    one = KPIS[report.kpi]
    return chart(
        PanelOptions(title=f"{report.title}, total", description=f"{report.question} {_DAILY}"),
        Query(expr=kpi(total(report.kpi), at=END_OF_DAY), legend="{{job}} $drawn"),
        unit=unit_of(one.unit),
        interval=DAY,
        minimum=0,
        overrides=[
            of_query("A", colour(BLUE)),
            drawn(counts=False),
            shown_as("${__field.labels.job}"),
        ],
    )


def _segments(report: Report, service: Service) -> Panel:
    one = KPIS[report.kpi]
    return chart(
        PanelOptions(
            title=f"{report.title} by $segmentation",
            description=f"{report.question} {_DAILY}",
        ),
        Query(
            expr=kpi(by_segment(report.kpi), SEGMENTATION, SEGMENT, at=END_OF_DAY),
            legend="{{segment}} $drawn",
        ),
        unit=unit_of(one.unit),
        interval=DAY,
        minimum=0,
        overrides=[
            *segment_colours(service.definitions),
            drawn(counts=one.unit in {Unit.INTERACTIONS, Unit.USERS}),
            shown_as("${__field.labels.segment}"),
        ],
    )
