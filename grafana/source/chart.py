"""Series over time."""

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import common, timeseries
from grafana_foundation_sdk.builders.dashboard import FieldColor
from grafana_foundation_sdk.models.common import (
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import FieldColorModeId, Panel

from grafana.source.panel import PanelOptions, Query, put, thresholds
from grafana.source.style import BAD, Override

DAY = "1d"
NO_DAY = "No whole UTC day begins in this time range: choose two days or more."


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """The scale of values: where it begins unless a value lies below, and where it ends.

    `maximum` is for charts that share an axis, `limit` an alert's threshold that is drawn.
    """

    minimum: float | None = 0
    maximum: float | None = None
    limit: float | None = None


FROM_ZERO = Axis()
AS_NEEDED = Axis(minimum=None)
ALL = Axis(maximum=1)
"""From nothing to 100%, the same for charts beside each other."""


def chart(
    options: PanelOptions,
    *queries: Query,
    unit: str,
    overrides: Sequence[Override] = (),
    interval: str = "",
    axis: Axis = FROM_ZERO,
    absent: str = "no data",
) -> Panel:
    """Draw series over time.

    `interval` is the least time between two values; `absent` stands there without any data.
    """
    made = (
        timeseries.Panel()
        .unit(unit)
        .color_scheme(FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC_BY_NAME))
        .line_width(2)
        .fill_opacity(0)
        .show_points(VisibilityMode.AUTO)
        .span_nulls(False)
        .no_value(absent)
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
    if axis.minimum is not None:
        made.axis_soft_min(axis.minimum)
    if axis.maximum is not None:
        made.min(0).max(axis.maximum)
    if axis.limit is not None:
        made.thresholds(thresholds(((None, "transparent"), (axis.limit, BAD))))
        made.thresholds_style(
            common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED)
        )
        made.axis_soft_max(axis.limit)
    return put(options, made, queries)
