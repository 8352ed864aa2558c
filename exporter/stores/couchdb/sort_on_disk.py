"""Interactions by timestamp, out of databases that know them by id alone.

A month is read whole and sorted on disk, in a database that SQLite keeps in a temporary file
and removes by itself: memory stays bounded, and no index has to be kept in CouchDB.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing

from exporter.domain.interaction import StoredInteraction


def by_timestamp(interactions: Iterable[list[StoredInteraction]]) -> Iterator[StoredInteraction]:
    """Sort what comes in portions."""
    with closing(sqlite3.connect("", isolation_level=None, check_same_thread=False)) as db:
        db.execute("pragma journal_mode = off")
        db.execute(
            "create table interactions (timestamp integer, id blob, body blob, arrived integer,"
            " primary key (timestamp, id)) without rowid"
        )
        for portion in interactions:
            db.execute("begin")
            db.executemany(
                "insert into interactions values (?, ?, ?, ?)",
                ((row.timestamp_ms, _bytes(row.id), row.raw, row.arrived_ms) for row in portion),
            )
            db.execute("commit")
        rows = db.execute(
            "select id, timestamp, body, arrived from interactions order by timestamp, id"
        )
        for id_, timestamp_ms, raw, arrived_ms in rows:  # one at a time: they may be large
            yield StoredInteraction(
                id_.decode("utf-8", "surrogatepass"), timestamp_ms, raw, arrived_ms
            )


def _bytes(id_: str) -> bytes:
    return id_.encode("utf-8", "surrogatepass")
