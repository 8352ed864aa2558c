"""What all dashboards have in common: their frame, and how panels are laid out."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from grafana_foundation_sdk.builders.dashboard import Dashboard as DashboardBuilder
from grafana_foundation_sdk.builders.dashboard import DashboardLink
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import (
    AnnotationContainer,
    AnnotationQuery,
    DashboardCursorSync,
    DashboardLinkType,
    GridPos,
    Panel,
    RowPanel,
    VariableModel,
)
from grafana_foundation_sdk.models.dashboard import Dashboard as Model

from exporter.domain.definitions import Definitions
from grafana.source.thresholds import Thresholds
from grafana.source.titles import Titles

_TAG = "sign-in-kpis"
_COLUMNS = 24


class Uid(StrEnum):
    """The dashboards' fixed uids; alerts link to them."""

    OVERVIEW = "kpi-overview"
    REPORTS = "kpi-reports"
    FLOWS = "kpi-flows"
    SEGMENTS = "kpi-segments"
    EXPORTER = "kpi-exporter"


TITLES: Mapping[Uid, str] = {
    Uid.OVERVIEW: "Overview",
    Uid.REPORTS: "Reports by day",
    Uid.FLOWS: "Flows",
    Uid.SEGMENTS: "Segments",
    Uid.EXPORTER: "Exporter health",
}
_BY_DAY = (Uid.REPORTS, Uid.FLOWS)
DAYS = "from=now-30d&to=now"
"""A range that fits what is drawn by day, as parameters of a link."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The sign-in service that the dashboards are for, and what its alerts compare with.

    `exporter` is the address of the exporter's own page, for people's browsers.
    """

    definitions: Definitions
    titles: Titles
    thresholds: Thresholds
    exporter: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A row with its panels, from left to right; `repeat` names the variable it is shown for."""

    title: str
    panels: Sequence[Panel]
    repeat: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """A dashboard: what it answers, how far back at first, and what stands on it.

    `pages` are addresses outside of Grafana by their titles.
    """

    uid: Uid
    description: str
    since: str
    refresh: str
    variables: Sequence[Builder[VariableModel]]
    annotations: Sequence[AnnotationQuery]
    sections: Sequence[Section]
    pages: Mapping[str, str] = field(default_factory=dict)

    def build(self) -> Model:
        """Return Grafana's model of it."""
        made = (
            DashboardBuilder(f"Sign-in: {TITLES[self.uid].lower()}")
            .uid(self.uid)
            .description(self.description)
            .tags([_TAG])
            .readonly()
            .timezone("utc")  # days are UTC days
            .time(self.since, "now")
            .refresh(self.refresh)
            .tooltip(DashboardCursorSync.CROSSHAIR)
            .variables(list(self.variables))
        )
        for uid in Uid:
            if uid is not self.uid:
                made.link(self._link(uid))
        for title, address in self.pages.items():
            made.link(
                DashboardLink(title)
                .type(DashboardLinkType.LINK)
                .icon("external link")
                .url(address)
                .target_blank(True)
            )
        model = made.build()
        for variable in model.templating.list_val or ():
            # What the SDK says of intervals, it says of every kind of variable.
            variable.auto = variable.auto_min = variable.auto_count = None
        model.annotations = AnnotationContainer(list_val=list(self.annotations))
        model.panels = list(_laid_out(self.sections))
        return model

    def _link(self, uid: Uid) -> DashboardLink:
        """Link to another dashboard, with the time range unless that may hold no whole day."""
        keep_time = uid not in _BY_DAY or self.uid in _BY_DAY
        return (
            DashboardLink(TITLES[uid])
            .type(DashboardLinkType.LINK)
            .icon("dashboard")
            .url(f"/d/{uid}" if keep_time else f"/d/{uid}?{DAYS}")
            .include_vars(True)
            .keep_time(keep_time)
        )


def _laid_out(sections: Iterable[Section]) -> Iterator[Panel | RowPanel]:
    """Yield the panels with their places and numbers: lines are filled from left to right."""
    y, number = 0, 0
    for section in sections:
        number += 1
        yield RowPanel(
            id_val=number,
            title=section.title,
            repeat=section.repeat,
            grid_pos=GridPos(x=0, y=y, w=_COLUMNS, h=1),
        )
        x, y, height = 0, y + 1, 0
        for panel in section.panels:
            number += 1
            size = panel.grid_pos or GridPos()
            if x + size.w > _COLUMNS:
                x, y, height = 0, y + height, 0
            panel.id_val = number
            panel.grid_pos = GridPos(x=x, y=y, w=size.w, h=size.h)
            x, height = x + size.w, max(height, size.h)
            yield panel
        y += height
