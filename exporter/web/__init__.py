"""HTTP: routes, TLS, authentication and the page; serves what stands ready, computes no KPI."""

from exporter.web.board import Board, Body
from exporter.web.config import WebConfigError
from exporter.web.page import Day, Funnel, ImportState, Kpi, Page, Reading, Step, Unit
from exporter.web.server import Limits, ListenError, WebServer

__all__ = [
    "Board",
    "Body",
    "Day",
    "Funnel",
    "ImportState",
    "Kpi",
    "Limits",
    "ListenError",
    "Page",
    "Reading",
    "Step",
    "Unit",
    "WebConfigError",
    "WebServer",
]
