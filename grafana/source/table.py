"""Tables: a row for each combination of labels, with the values of several queries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from grafana_foundation_sdk.builders import table as sdk_table
from grafana_foundation_sdk.models.common import TableAutoCellOptions
from grafana_foundation_sdk.models.dashboard import (
    DashboardRangeMapOptions,
    DataTransformerConfig,
    Panel,
    RangeMap,
    ValueMap,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.table import Options as TableOptions

from grafana.source.panel import Better, PanelOptions, Query, absolute, put, ref_id
from grafana.source.style import BLUE, colour, of_column

_LEAST_WIDTH = 60
OVER_ALL = RangeMap(
    options=DashboardRangeMapOptions(
        from_val=1.000001,
        to=1e12,  # without an end nothing is in the range
        result=ValueMappingResult(text="over 100%"),
    )
)
"""More can reach a flow's later step than an earlier one, in another dialog."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table: a label's, or the value of its own query where there is one.

    `hidden` columns are there for links. `width` in pixels; the others share what is left.
    """

    title: str
    label: str = ""
    expr: str = ""
    unit: str = "short"
    decimals: int | None = None
    link: tuple[str, str] | None = None
    """Title and address of where a click leads."""
    bar: bool = False
    width: int | None = None
    hidden: bool = False
    empty: str = ""
    """What stands in a cell without a value."""
    better: Better | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    """What people call the label's values."""


def table(
    options: PanelOptions,
    *columns: Column,
    order: Sequence[str],
    descending: bool = True,
) -> Panel:
    """Show one row for each combination of labels, with the values of several instant queries.

    Rows are sorted by the columns in `order`.
    """
    valued = [column for column in columns if column.expr]
    queries = [Query(expr=column.expr, instant=True) for column in valued]
    # Grafana names a value after its query only where there are several.
    sources = {
        column.title: (f"Value #{ref_id(n)}" if len(valued) > 1 else "Value")
        for n, column in enumerate(valued)
    } | {column.title: column.label for column in columns if column.label}
    made = (
        sdk_table.Panel()
        .unit("short")
        .frame_index(0)
        .show_header(True)
        .min_width(_LEAST_WIDTH)  # at Grafana's 150 the last columns of five are out of view
        .cell_options(TableAutoCellOptions())
        .no_value("")  # it stands in every empty cell
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
    panel = put(options, made, queries, as_table=True)
    if isinstance(panel.options, TableOptions):
        panel.options.footer = None  # a column's property since Grafana 12
    return panel


def _mappings(column: Column) -> list[ValueMap | RangeMap]:
    if column.names:
        words = {name: ValueMappingResult(text=title) for name, title in column.names.items()}
        return [ValueMap(options=words)]
    return [OVER_ALL] if column.unit == "percentunit" else []


def _only(names: Sequence[str]) -> DataTransformerConfig:
    return DataTransformerConfig(
        id_val="filterFieldsByName", options={"include": {"names": list(names)}}
    )


def _sorted(field: str, *, descending: bool) -> DataTransformerConfig:
    return DataTransformerConfig(
        id_val="sortBy", options={"fields": {}, "sort": [{"field": field, "desc": descending}]}
    )


def _properties(column: Column) -> dict[str, object]:
    values = {
        "unit": column.unit if column.expr else None,
        "decimals": column.decimals,
        "custom.width": column.width,
        "noValue": column.empty or None,
        "mappings": _mappings(column) or None,
    }
    properties: dict[str, object] = {"custom.wrapHeaderText": True}
    properties |= {name: value for name, value in values.items() if value is not None}
    if column.link is not None:
        title, address = column.link
        properties["links"] = [{"title": title, "url": address}]
    if column.hidden:
        properties["custom.hideFrom"] = {"legend": False, "tooltip": False, "viz": True}
    if column.better is not None:
        properties["custom.cellOptions"] = {"type": "color-text"}
        properties["color"] = {"mode": "thresholds"}
        properties["thresholds"] = absolute(column.better.steps())
    if column.bar:
        properties |= colour(BLUE)
        properties |= {"min": 0, "max": 1}
        properties["custom.cellOptions"] = {
            "type": "gauge",
            "mode": "basic",
            "valueDisplayMode": "text",
        }
    return properties
