"""Where an interaction is found by its id: a table of hashes, a quarter of an index of ids.

Ids are random, so each new one changes a page somewhere. What is written, and after a million
interactions also what has to be read, is pages of this table, so it holds as little as it can: a
hash of the id, and the timestamps under which to look. What it says may be stale, or of another id
of the same hash; what it does not say is not there.
"""

import sqlite3
from collections.abc import Iterable
from operator import itemgetter
from zlib import crc32

import msgspec

from exporter.domain.interaction import Stored
from exporter.stores.sqlite.compression import decompressor

_PAIRS = (
    "select json_extract(value, '$[0]') as hash, json_extract(value, '$[1]') as {0}"
    " from json_each(:pairs)"
)


def find(db: sqlite3.Connection, ids: Iterable[str]) -> dict[str, Stored]:
    """Find the interactions that have these ids."""
    rows = db.execute(
        f"with pairs as ({_PAIRS.format('id')}) select i.id, i.timestamp, i.body from pairs p"  # noqa: S608
        " join ids on ids.hash = p.hash"
        " join interactions i on i.timestamp = ids.timestamp and i.id = p.id",
        {"pairs": _in_order((hash_of(id_), id_) for id_ in ids)},
    ).fetchall()
    if not rows:
        return {}
    decompress = decompressor(db)
    return {id_: Stored(id_, at, decompress(body)) for id_, at, body in rows}


def keep(db: sqlite3.Connection, placed: Iterable[tuple[str, int]]) -> None:
    """Note ids and the timestamps, in milliseconds, that they stand under."""
    db.execute(
        f"insert or ignore into ids (hash, timestamp) {_PAIRS.format('timestamp')}",
        {"pairs": _in_order((hash_of(id_), timestamp_ms) for id_, timestamp_ms in placed)},
    )


def forget(db: sqlite3.Connection, placed: Iterable[tuple[str, int]]) -> None:
    """Forget ids of timestamps, in milliseconds, of which nothing is left."""
    db.execute(
        f"delete from ids where (hash, timestamp) in ({_PAIRS.format('timestamp')})",  # noqa: S608
        {"pairs": _in_order((hash_of(id_), timestamp_ms) for id_, timestamp_ms in placed)},
    )


def hash_of(id_: str) -> int:
    """Hash an id; two that share one cost a look more."""
    return crc32(id_.encode())


def _in_order(pairs: Iterable[tuple[int, object]]) -> str:
    """Write pairs in the order of the table, so that each of its pages is met once."""
    return msgspec.json.encode(sorted(pairs, key=itemgetter(0))).decode()
