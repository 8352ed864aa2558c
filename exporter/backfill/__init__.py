"""The backfill: the KPIs of the past as the scrapes of then would have found them."""

from exporter.backfill.grid import Grid
from exporter.backfill.history import History

__all__ = ["Grid", "History"]
