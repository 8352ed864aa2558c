"""The backfill: the KPIs of the past as the scrapes of then would have found them."""

from exporter.metrics.backfill.grid import Grid
from exporter.metrics.backfill.history import History

__all__ = ["Grid", "History"]
