"""The socket that sign-in dialogs send interactions to: KPIggybank's writing interface."""

from exporter.web.collect.routes import CollectApplication
from exporter.web.collect.server import CollectServer

__all__ = ["CollectApplication", "CollectServer"]
