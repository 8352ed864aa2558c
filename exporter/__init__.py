"""kpi-exporter: sign-in interaction data as KPIs for Prometheus."""

__version__ = "0.1.0"
