"""The embedded store: one SQLite file, one writer, interactions and tallies in one transaction."""

from exporter.stores.sqlite.damage import set_aside
from exporter.stores.sqlite.store import SqliteStore

__all__ = ["SqliteStore", "set_aside"]
