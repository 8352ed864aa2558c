"""What can be chosen at the top of a dashboard. Each choice narrows those after it."""

from grafana_foundation_sdk.builders.dashboard import (
    CustomVariable,
    DatasourceVariable,
    QueryVariable,
)
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import (
    VariableModel,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from exporter.metrics.families import Family
from grafana.source.panels import DATASOURCE
from grafana.source.promql import SEGMENTATION, WINDOW, by_segment, selector, total
from grafana.source.style import AREA, LINES

DEFAULT_WINDOW = "1d"
_ANYTHING = ".+"
_ATTEMPTS = total("sign_in_attempts")
_SEGMENTS = by_segment("sign_in_attempts")


def exporters(metric: Family = _ATTEMPTS) -> list[Builder[VariableModel]]:
    """Choose the data source, and among the exporters that expose a metric."""
    return [
        DatasourceVariable("datasource").label("Data source").type("prometheus"),
        _several("job", "Job", metric.name).description(
            "A deployment: exporters of one job share one store."
        ),
        _several("instance", "Instance", f'{metric.name}{{job=~"$job"}}').description(
            "Of several exporters on one store, the freshest of those chosen here speaks."
        ),
    ]


def window() -> Builder[VariableModel]:
    """Choose a trailing window among those that the exporter is configured with."""
    return (
        _one("window", "Window", selector(_ATTEMPTS))
        .sort(VariableSort.NUMERICAL_ASC)
        .current(VariableOption(text=DEFAULT_WINDOW, value=DEFAULT_WINDOW))
        .description("How far back each value reaches: a KPI is computed over a trailing window.")
    )


def flows() -> Builder[VariableModel]:
    """Choose flows, several of them."""
    metric = selector(total("flow_completion_ratio"), WINDOW)
    return _several("flow", "Flow", metric).description("Steps that users take one by one.")


def flow(default: str) -> Builder[VariableModel]:
    """Choose one flow."""
    return (
        _one("flow", "Flow", selector(total("flow_completion_ratio"), WINDOW))
        .current(VariableOption(text=default, value=default))
        .description("Steps that users take one by one.")
    )


def segments(default: str) -> list[Builder[VariableModel]]:
    """Choose a segmentation and, among its segments, several."""
    return [
        _one("segmentation", "Segmentation", selector(_SEGMENTS, WINDOW))
        .current(VariableOption(text=default, value=default))
        .description("A way to divide all interactions: each has exactly one segment of it."),
        _several("segment", "Segment", selector(_SEGMENTS, WINDOW, SEGMENTATION)).description(
            "Segments of the segmentation; none is added up with another."
        ),
    ]


def drawn() -> Builder[VariableModel]:
    """Choose how charts are drawn."""
    return (
        CustomVariable("drawn")
        .label("Drawn as")
        .values(f"{LINES},{AREA}")
        .current(VariableOption(selected=True, text=LINES, value=LINES))
        .options(
            [
                VariableOption(selected=True, text=LINES, value=LINES),
                VariableOption(selected=False, text=AREA, value=AREA),
            ]
        )
        .description("Areas of counts are stacked; shares do not add up, so theirs are not.")
    )


def _several(name: str, label: str, metric: str) -> QueryVariable:
    return (
        _one(name, label, metric)
        .multi(True)
        .include_all(True)
        .all_value(_ANYTHING)
        .current(VariableOption(text=["All"], value=["$__all"]))
    )


def _one(name: str, label: str, metric: str) -> QueryVariable:
    return (
        QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query(
            {
                "qryType": 1,  # label values
                "query": f"label_values({metric}, {name})",
                "refId": "PrometheusVariableQueryEditor-VariableQuery",
            }
        )
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
    )
