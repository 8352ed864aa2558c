"""HTTP: routes, TLS, authentication and the page; serves what stands ready, computes no KPI."""

from exporter.web.application import Application, Response
from exporter.web.page.model import Day, Funnel, ImportState, Kpi, KpiValue, Page, Step, Unit
from exporter.web.server import Limits, ListenError, WebServer
from exporter.web.web_config import WebConfigError

__all__ = [
    "Application",
    "Day",
    "Funnel",
    "ImportState",
    "Kpi",
    "KpiValue",
    "Limits",
    "ListenError",
    "Page",
    "Response",
    "Step",
    "Unit",
    "WebConfigError",
    "WebServer",
]
