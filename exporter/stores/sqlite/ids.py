"""Where an interaction is found by its id: tables of hashes, and the timestamps to look under.

Ids are random, so each new one belongs into a page of its own. An index of them costs more the
larger it is: most of what an import writes would be its pages. So a row here holds as little as it
can, and new ones wait in a small table until they are so many that most pages of the large one get
some of them. What is said here may be stale, or of another id of the same hash; what is not said
here is not there.
"""

import sqlite3
from collections.abc import Iterable
from operator import itemgetter
from zlib import crc32

import msgspec

from exporter.domain.interaction import StoredInteraction
from exporter.stores.sqlite.compression import decompressor
from exporter.stores.sqlite.database import hold

MOST_NEW = 300_000  # moved in half a second
_NEW = "new ids"
_PAIRS = (
    "select json_extract(value, '$[0]') as hash, json_extract(value, '$[1]') as {0}"
    " from json_each(:pairs)"
)
_FOUND_BY = (
    "select i.id, i.timestamp, i.body from pairs p join {0} h on h.hash = p.hash"
    " join interactions i on i.timestamp = h.timestamp and i.id = p.id"
)


def find(db: sqlite3.Connection, ids: Iterable[str]) -> dict[str, StoredInteraction]:
    """Find the interactions that have these ids."""
    rows = db.execute(
        f"with pairs as ({_PAIRS.format('id')})"
        f" {_FOUND_BY.format('ids')} union all {_FOUND_BY.format('new_ids')}",
        {"pairs": _in_order((hash_of(id_), id_) for id_ in ids)},
    ).fetchall()
    if not rows:
        return {}
    decompress = decompressor(db)
    return {id_: StoredInteraction(id_, at, decompress(body)) for id_, at, body in rows}


def keep(db: sqlite3.Connection, placed: Iterable[tuple[str, int]]) -> None:
    """Record ids and the timestamps, in milliseconds, that they stand under."""
    added = db.execute(
        f"insert or ignore into new_ids (hash, timestamp) {_PAIRS.format('timestamp')}",
        {"pairs": _in_order((hash_of(id_), timestamp_ms) for id_, timestamp_ms in placed)},
    ).rowcount
    new = hold(db, _NEW, added)
    if new >= MOST_NEW:
        db.execute("insert or ignore into ids select * from new_ids order by hash, timestamp")
        db.execute("delete from new_ids")
        hold(db, _NEW, -new)


def forget(db: sqlite3.Connection, placed: Iterable[tuple[str, int]]) -> None:
    """Delete ids of timestamps, in milliseconds, of which nothing is left."""
    pairs = _in_order((hash_of(id_), timestamp_ms) for id_, timestamp_ms in placed)
    among = f"where (hash, timestamp) in ({_PAIRS.format('timestamp')})"
    db.execute(f"delete from ids {among}", {"pairs": pairs})  # noqa: S608
    gone = db.execute(f"delete from new_ids {among}", {"pairs": pairs}).rowcount  # noqa: S608
    hold(db, _NEW, -gone)


def hash_of(id_: str) -> int:
    """Hash an id; two that share one cost a look more."""
    return crc32(id_.encode())


def _in_order(pairs: Iterable[tuple[int, object]]) -> str:
    """Write pairs in the order of the tables, so that each page is met once."""
    return msgspec.json.encode(sorted(pairs, key=itemgetter(0))).decode()
