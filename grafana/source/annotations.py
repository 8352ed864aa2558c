"""Marks in all charts: milestones, and when alerts fired."""

from typing import Any

from grafana_foundation_sdk.models.dashboard import AnnotationQuery

from exporter.metrics.families import MILESTONE
from grafana.source.panel import DATASOURCE
from grafana.source.promql import ALERTS, FIRING, KPI_ALERT, sampled, selector
from grafana.source.style import BLUE, VERMILLION


class PrometheusAnnotation(AnnotationQuery):
    """An annotation by Prometheus, whose own fields the SDK's model leaves out."""

    def __init__(self, *, name: str, colour: str, expr: str, **fields: str | bool) -> None:
        super().__init__(
            name=name, datasource=DATASOURCE, enable=True, icon_color=colour, expr=expr
        )
        self._fields = fields

    def to_json(self) -> dict[str, Any]:
        """Return Grafana's form."""
        return {**super().to_json(), **self._fields}


def milestones() -> AnnotationQuery:
    """Mark milestones: the series' value, in milliseconds as Grafana wants it, is the instant."""
    return PrometheusAnnotation(
        name="Milestones",
        colour=BLUE,
        expr=f"1000 * max by (milestone) ({sampled(MILESTONE)})",
        useValueForTime=True,
        step="1h",
        titleFormat="{{milestone}}",
    )


def alerts() -> AnnotationQuery:
    """Mark the time during which an alert fired, however coarse the steps over a long range."""
    return PrometheusAnnotation(
        name="Alerts",
        colour=VERMILLION,
        expr=(
            "max by (alertname, severity, segmentation, segment)"
            f" (max_over_time({selector(ALERTS, KPI_ALERT, FIRING)}[$__interval]))"
        ),
        step="5m",
        titleFormat="{{alertname}}",
        textFormat="{{segmentation}} {{segment}}",
        tagKeys="severity",
    )
