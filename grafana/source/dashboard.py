"""What all dashboards have in common: their frame, and how panels are laid out."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
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

_TAG = "sign-in-kpis"
_COLUMNS = 24


class Uid(StrEnum):
    """The dashboards' fixed uids; alerts link to them."""

    OVERVIEW = "kpi-overview"
    REPORTS = "kpi-reports"
    FLOWS = "kpi-flows"
    SEGMENTS = "kpi-segments"
    EXPORTER = "kpi-exporter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The sign-in service that the dashboards are for, and what its alerts compare with."""

    definitions: Definitions
    thresholds: Thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A row with its panels, from left to right; `repeat` names the variable it is shown for."""

    title: str
    panels: Sequence[Panel]
    repeat: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """A dashboard: what it answers, how far back at first, and what stands on it."""

    uid: Uid
    title: str
    description: str
    since: str
    refresh: str
    variables: Sequence[Builder[VariableModel]]
    annotations: Sequence[AnnotationQuery]
    sections: Sequence[Section]

    def build(self) -> Model:
        """Return Grafana's model of it."""
        model = (
            DashboardBuilder(self.title)
            .uid(self.uid)
            .description(self.description)
            .tags([_TAG])
            .readonly()
            .timezone("utc")  # days are UTC days
            .time(self.since, "now")
            .refresh(self.refresh)
            .tooltip(DashboardCursorSync.CROSSHAIR)
            .variables(list(self.variables))
            .link(
                DashboardLink("Sign-in KPIs")
                .type(DashboardLinkType.DASHBOARDS)
                .tags([_TAG])
                .include_vars(True)
                .keep_time(True)
            )
            .build()
        )
        for variable in model.templating.list_val or ():
            # What the SDK says of intervals, it says of every kind of variable.
            variable.auto = variable.auto_min = variable.auto_count = None
        model.annotations = AnnotationContainer(list_val=list(self.annotations))
        model.panels = list(_laid_out(self.sections))
        return model


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
