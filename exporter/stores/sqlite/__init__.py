"""The embedded store: one SQLite file, one writer, interactions and tallies in one transaction."""

from exporter.stores.sqlite.quarantine import quarantine
from exporter.stores.sqlite.store import SqliteStore

__all__ = ["SqliteStore", "quarantine"]
