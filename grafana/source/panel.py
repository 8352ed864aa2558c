"""What all kinds of panels have in common: words, size, queries, thresholds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from grafana_foundation_sdk.builders.dashboard import ThresholdsConfig
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery as AnyQuery
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    GridPos,
    Panel,
    Threshold,
    ThresholdsMode,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat, QueryEditorMode

from grafana.source.style import BAD, BLUE, GOOD, GREY

DATASOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")

Steps: TypeAlias = Sequence[tuple[float | None, str]]
"""Thresholds: from which value on which colour; the first from minus infinity."""

PLAIN: Steps = ((None, BLUE),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A query of a panel. `instant` asks once, at the end of the range."""

    expr: str
    legend: str = ""
    instant: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelOptions:
    """What every panel has: its words and its size on the grid of 24 columns."""

    title: str
    description: str
    width: int = 12
    height: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Better:
    """Which way a KPI should move, and how small a move is none."""

    up: bool | None
    noise: float

    def steps(self) -> Steps:
        """Colour a change by whether it is for the better."""
        if self.up is None:
            return ((None, GREY),)
        low, high = (BAD, GOOD) if self.up else (GOOD, BAD)
        return ((None, low), (-self.noise, GREY), (self.noise, high))


def repeated(panel: Panel, *, over: str) -> Panel:
    """Show a panel once for each value of a variable, side by side."""
    panel.repeat = over
    panel.repeat_direction = "h"
    panel.max_per_row = 4
    return panel


def absolute(steps: Steps) -> dict[str, object]:
    """Return thresholds as the property of an override."""
    return {"mode": "absolute", "steps": [{"value": v, "color": paint} for v, paint in steps]}


def thresholds(steps: Steps) -> ThresholdsConfig:
    """Return thresholds for a whole panel."""
    return (
        ThresholdsConfig()
        .mode(ThresholdsMode.ABSOLUTE)
        .steps([Threshold(value=value, color=paint) for value, paint in steps])
    )


def ref_id(n: int) -> str:
    """Return the name of a panel's nth query."""
    return chr(ord("A") + n)


def put(
    options: PanelOptions, made: Builder[Panel], queries: Sequence[Query], *, as_table: bool = False
) -> Panel:
    """Put words, place and queries into a panel."""
    panel = made.build()
    panel.title = options.title
    panel.description = options.description
    panel.datasource = DATASOURCE
    panel.grid_pos = GridPos(w=options.width, h=options.height)
    panel.targets = [_target(n, query, as_table=as_table) for n, query in enumerate(queries)]
    return panel


def _target(n: int, query: Query, *, as_table: bool) -> AnyQuery:
    made = (
        Dataquery()
        .ref_id(ref_id(n))
        .datasource(DATASOURCE)
        .editor_mode(QueryEditorMode.CODE)
        .expr(query.expr)
        .format(PromQueryFormat.TABLE if as_table else PromQueryFormat.TIME_SERIES)
    )
    if query.legend:
        made.legend_format(query.legend)
    return (made.instant() if query.instant else made.range()).build()
