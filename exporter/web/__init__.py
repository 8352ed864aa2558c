"""HTTP: routes, TLS, authentication and the page; serves what stands ready, computes no KPI."""

from exporter.domain.reports import InvalidSegmentation, UnknownReport
from exporter.web.board import Board, Body
from exporter.web.page import (
    Day,
    Funnel,
    ImportState,
    Kpi,
    Milestone,
    Page,
    Reading,
    Step,
    Unit,
)
from exporter.web.server import Limits, ListenError, WebServer

__all__ = [
    "Board",
    "Body",
    "Day",
    "Funnel",
    "ImportState",
    "InvalidSegmentation",
    "Kpi",
    "Limits",
    "ListenError",
    "Milestone",
    "Page",
    "Reading",
    "Step",
    "Unit",
    "UnknownReport",
    "WebServer",
]
