"""HTTP: routes, TLS, authentication and the page; serves what stands ready, computes no KPI."""

from exporter.web.application import Application
from exporter.web.server import Limits, WebServer
from exporter.web.sockets import ListenError
from exporter.web.web_config import WebConfigError

__all__ = [
    "Application",
    "Limits",
    "ListenError",
    "WebConfigError",
    "WebServer",
]
