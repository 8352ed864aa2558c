"""What can be chosen at the top of a dashboard. Each choice narrows those after it."""

from collections.abc import Mapping, Sequence

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

from exporter.domain.definitions import OTHER, Flow
from exporter.metrics.families import Family
from grafana.source.dashboard import Service
from grafana.source.panel import DATASOURCE
from grafana.source.promql import SEGMENTATION, WINDOW, by_segment, selector, titled, total
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


def flows(service: Service) -> Builder[VariableModel]:
    """Choose flows, several of them."""
    return _all(_flow(service))


def flow(service: Service, default: Flow) -> Builder[VariableModel]:
    """Choose one flow."""
    return _flow(service).current(
        VariableOption(text=service.titles.flows[default.name], value=default.name)
    )


def _flow(service: Service) -> QueryVariable:
    metric = total("flow_completion_ratio")
    return _titled("flow", "Flow", metric, service.titles.flows).description(
        "Steps that users take one by one."
    )


def durations(service: Service) -> list[Builder[VariableModel]]:
    """Choose one duration, where there are any."""
    titles = service.titles.durations
    return [
        _titled("duration", "Duration", total("duration_interactions"), titles)
        .current(VariableOption(text=titles[first.name], value=first.name))
        .description("How long people take from one event to another.")
        for first in service.definitions.durations[:1]
    ]


def segmentation(service: Service) -> Builder[VariableModel]:
    """Choose a segmentation."""
    titles = service.titles.segmentations
    default = service.definitions.segmentations[0].name
    # Every segmentation has this segment, and one of each is enough.
    return (
        _titled("segmentation", "Segmentation", _SEGMENTS, titles, f'segment="{OTHER}"')
        .current(VariableOption(text=titles[default], value=default))
        .description("A way to divide all interactions: each has exactly one segment of it.")
    )


def segments(service: Service) -> list[Builder[VariableModel]]:
    """Choose a segmentation and, among its segments, several."""
    return [
        segmentation(service),
        _several("segment", "Segment", selector(_SEGMENTS, WINDOW, SEGMENTATION)).description(
            "Segments of the segmentation; none is added up with another."
        ),
    ]


def least() -> Builder[VariableModel]:
    """Choose the least sample by which a segment is drawn alone."""
    return _custom(
        "least", "Least sample", ("0", "10", "30", "100", "300", "1000"), "30"
    ).description(
        "Charts draw segments alone that have as many interactions at the end of the time range,"
        " and all others together as one line: small samples move by chance."
    )


def drawn() -> Builder[VariableModel]:
    """Choose how charts are drawn."""
    return _custom("drawn", "Drawn as", (LINES, AREA), LINES).description(
        "Areas of counts are stacked; shares do not add up, so theirs are not."
    )


def _custom(name: str, label: str, values: Sequence[str], default: str) -> CustomVariable:
    options = [VariableOption(selected=v == default, text=v, value=v) for v in values]
    return (
        CustomVariable(name)
        .label(label)
        .values(",".join(values))
        .current(VariableOption(selected=True, text=default, value=default))
        .options(options)
    )


def _several(name: str, label: str, metric: str) -> QueryVariable:
    return _all(_one(name, label, metric))


def _all(made: QueryVariable) -> QueryVariable:
    return (
        made.multi(True)
        .include_all(True)
        .all_value(_ANYTHING)
        .current(VariableOption(text=["All"], value=["$__all"]))
    )


def _one(name: str, label: str, metric: str) -> QueryVariable:
    return _query(name, label, f"label_values({metric}, {name})", kind=1)


def _titled(
    name: str, label: str, metric: Family, titles: Mapping[str, str], *matchers: str
) -> QueryVariable:
    """Choose among a label's values of the last day, shown by their titles."""
    known = f"group by ({name}) (last_over_time({selector(metric, WINDOW, *matchers)}[1d]))"
    values = titled(known, name, titles)
    # Grafana writes a series as `{label="value",title="text"} 1 0`, and escapes nothing.
    pattern = f'/{name}="(?<value>.*)",\\s*title="(?<text>.*)"}} /'
    return _query(name, label, f"query_result({values})", kind=3).regex(pattern)


def _query(name: str, label: str, query: str, *, kind: int) -> QueryVariable:
    """`kind` is the plugin's number for a way to ask: 1 for label values, 3 for a result."""
    return (
        QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query(
            {
                "qryType": kind,
                "query": query,
                "refId": "PrometheusVariableQueryEditor-VariableQuery",
            }
        )
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
    )
