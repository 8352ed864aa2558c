"""The kinds of panels, each with this project's habits: what differs is said at the call."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from grafana_foundation_sdk.builders import bargauge, common, timeseries
from grafana_foundation_sdk.builders import stat as sdk_stat
from grafana_foundation_sdk.builders import table as sdk_table
from grafana_foundation_sdk.builders.dashboard import FieldColor, ThresholdsConfig
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery as AnyQuery
from grafana_foundation_sdk.models.common import (
    BarGaugeDisplayMode,
    BarGaugeValueMode,
    BigValueColorMode,
    BigValueGraphMode,
    BigValueTextMode,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    TableAutoCellOptions,
    TooltipDisplayMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardSpecialValueMapOptions,
    DataSourceRef,
    DataTransformerConfig,
    FieldColorModeId,
    GridPos,
    Panel,
    SpecialValueMap,
    SpecialValueMatch,
    Threshold,
    ThresholdsMode,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat, QueryEditorMode
from grafana_foundation_sdk.models.table import Options as TableOptions

from grafana.source.style import BAD, BLUE, GOOD, GREY, Override, colour, of_column, of_query

DATASOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
DAY = "1d"

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


def chart(
    options: PanelOptions,
    *queries: Query,
    unit: str,
    overrides: Sequence[Override] = (),
    interval: str = "",
    minimum: float | None = None,
) -> Panel:
    """Draw series over time; `interval` is the least time between two values."""
    made = (
        timeseries.Panel()
        .unit(unit)
        .color_scheme(FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC_BY_NAME))
        .line_width(2)
        .fill_opacity(0)
        .show_points(VisibilityMode.AUTO)
        .span_nulls(False)
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(True)
            .calcs([])
        )
        .tooltip(
            common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING)
        )
        .overrides(list(overrides))
    )
    if interval:
        made.interval(interval)
    if minimum is not None:
        made.axis_soft_min(minimum)
    return _put(options, made, queries)


def stat(
    options: PanelOptions,
    *queries: Query,
    unit: str,
    steps: Steps = PLAIN,
    sparkline: bool = True,
    decimals: int | None = None,
    overrides: Sequence[Override] = (),
    named: bool = False,
) -> Panel:
    """Show the last value large, with its past as a small line."""
    made = (
        sdk_stat.Panel()
        .unit(unit)
        .thresholds(_thresholds(steps))
        .color_scheme(FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .color_mode(BigValueColorMode.VALUE)
        .graph_mode(BigValueGraphMode.AREA if sparkline else BigValueGraphMode.NONE)
        .text_mode(BigValueTextMode.VALUE_AND_NAME if named else BigValueTextMode.AUTO)
        .orientation(VizOrientation.HORIZONTAL)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
        .mappings([_NO_SAMPLE])
        .no_value("no data")
        .overrides(list(overrides))
    )
    if decimals is not None:
        made.decimals(decimals)
    return _put(options, made, queries)


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


def stat_with_change(
    options: PanelOptions, *, now: str, change: str, unit: str, better: Better, steps: Steps = PLAIN
) -> Panel:
    """Show a value with its past as a small line, and its change against the week before."""
    change_steps = [{"value": value, "color": paint} for value, paint in better.steps()]
    return stat(
        options,
        Query(expr=now, legend="now"),
        Query(expr=change, legend="against the week before", instant=True),
        unit=unit,
        steps=steps,
        named=True,
        overrides=(
            of_query(
                "B",
                {
                    "unit": "percentunit",
                    "decimals": 1,
                    "thresholds": {"mode": "absolute", "steps": change_steps},
                },
            ),
        ),
    )


def bar_gauge(options: PanelOptions, *, expr: str, label: str, unit: str) -> Panel:
    """Show the values as bar_gauge below each other, in the order of a label."""
    made = (
        bargauge.Panel()
        .unit(unit)
        .color_scheme(FieldColor().mode(FieldColorModeId.FIXED).fixed_color(BLUE))
        .display_mode(BarGaugeDisplayMode.BASIC)
        .value_mode(BarGaugeValueMode.TEXT)
        .orientation(VizOrientation.HORIZONTAL)
        .show_unfilled(True)
        .min(0)
        .no_value("no data")
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(True))
        .with_transformation(_only([label, "Value"]))
        .with_transformation(_sorted(label, descending=False))
    )
    return _put(options, made, [Query(expr=expr, instant=True)], as_table=True)


def repeated(panel: Panel, *, over: str) -> Panel:
    """Show a panel once for each value of a variable, side by side."""
    panel.repeat = over
    panel.repeat_direction = "h"
    panel.max_per_row = 4
    return panel


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table: a label's, or the value of its own query where there is one."""

    title: str
    label: str = ""
    expr: str = ""
    unit: str = "short"
    decimals: int | None = None
    link: tuple[str, str] | None = None
    """Title and address of where a click leads."""
    bar: bool = False


def table(
    options: PanelOptions,
    *columns: Column,
    order: Sequence[str],
    descending: bool = True,
    empty: str = "no data",
) -> Panel:
    """Show one row for each combination of labels, with the values of several instant queries.

    Rows are sorted by the columns in `order`.
    """
    valued = [column for column in columns if column.expr]
    queries = [Query(expr=column.expr, instant=True) for column in valued]
    # Grafana names a value after its query only where there are several.
    sources = {
        column.title: (f"Value #{_ref_id(n)}" if len(valued) > 1 else "Value")
        for n, column in enumerate(valued)
    } | {column.title: column.label for column in columns if column.label}
    made = (
        sdk_table.Panel()
        .unit("short")
        .frame_index(0)
        .show_header(True)
        .cell_options(TableAutoCellOptions())
        .no_value(empty)
        .overrides([of_column(c.title, _properties(c)) for c in columns])
        .with_transformation(DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(_only([sources[c.title] for c in columns]))
        .with_transformation(
            DataTransformerConfig(
                id_val="organize",
                options={
                    "indexByName": {sources[c.title]: n for n, c in enumerate(columns)},
                    "renameByName": {sources[c.title]: c.title for c in columns},
                },
            )
        )
    )
    for column in reversed(order):  # the last sort weighs most, and keeps what it finds equal
        made.with_transformation(_sorted(column, descending=descending))
    panel = _put(options, made, queries, as_table=True)
    if isinstance(panel.options, TableOptions):
        panel.options.footer = None  # a column's property since Grafana 12
    return panel


def _only(names: Sequence[str]) -> DataTransformerConfig:
    return DataTransformerConfig(
        id_val="filterFieldsByName", options={"include": {"names": list(names)}}
    )


def _sorted(field: str, *, descending: bool) -> DataTransformerConfig:
    return DataTransformerConfig(
        id_val="sortBy", options={"fields": {}, "sort": [{"field": field, "desc": descending}]}
    )


def _properties(column: Column) -> dict[str, object]:
    properties: dict[str, object] = {}
    if column.expr:
        properties["unit"] = column.unit
    if column.decimals is not None:
        properties["decimals"] = column.decimals
    if column.link is not None:
        title, address = column.link
        properties["links"] = [{"title": title, "url": address}]
    if column.bar:
        properties |= colour(BLUE)
        properties |= {"min": 0, "max": 1}
        properties["custom.cellOptions"] = {
            "type": "gauge",
            "mode": "basic",
            "valueDisplayMode": "text",
        }
    return properties


_NO_SAMPLE = SpecialValueMap(
    options=DashboardSpecialValueMapOptions(
        match=SpecialValueMatch.NULL_AND_NAN,
        result=ValueMappingResult(text="no sample", color=GREY),
    )
)


def _thresholds(steps: Steps) -> ThresholdsConfig:
    return (
        ThresholdsConfig()
        .mode(ThresholdsMode.ABSOLUTE)
        .steps([Threshold(value=value, color=paint) for value, paint in steps])
    )


def _ref_id(n: int) -> str:
    return chr(ord("A") + n)


def _put(
    options: PanelOptions, made: Builder[Panel], queries: Sequence[Query], *, as_table: bool = False
) -> Panel:
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
        .ref_id(_ref_id(n))
        .datasource(DATASOURCE)
        .editor_mode(QueryEditorMode.CODE)
        .expr(query.expr)
        .format(PromQueryFormat.TABLE if as_table else PromQueryFormat.TIME_SERIES)
    )
    if query.legend:
        made.legend_format(query.legend)
    return (made.instant() if query.instant else made.range()).build()
