"""A damaged file makes way for a new one, and is kept: the source may lack some of it by now."""

import sqlite3
from contextlib import closing
from pathlib import Path

from exporter.ports import StoreError
from exporter.stores.sqlite.database import APPLICATION_ID, BUSY_TIMEOUT_SECONDS, is_damage

MOST_KEPT = 3  # a disk that damages more must not be filled with them as well
_BESIDE = ("-wal", "-shm", "")  # the file last: a new one must not meet the log of an old one
_APPLICATION_ID_AT = slice(68, 72)  # in the header of SQLite's file format


def quarantine(path: Path) -> Path | None:
    """Move a damaged file of ours out of the way; return where it lies now. Raises `StoreError`.

    A file that is whole stays, and there is nothing to say: another process has seen to it. So
    it is with one that was deleted.
    """
    if not path.exists() or _is_whole(path):
        return None
    with path.open("rb") as file:
        application = file.read(_APPLICATION_ID_AT.stop)[_APPLICATION_ID_AT]
    if int.from_bytes(application) != APPLICATION_ID:
        raise StoreError(
            f"{path} cannot be read as a store of kpi-exporter; restore it from a backup, move it"
            " away, or give store.url another file"
        )
    kept = [path.with_name(f"{path.name}.damaged-{n}") for n in range(1, MOST_KEPT + 1)]
    aside = next((one for one in kept if not one.exists()), None)
    if aside is None:
        raise StoreError(
            f"{path} is damaged, as were {', '.join(one.name for one in kept)} before it; see to"
            " the disk, then move these away"
        )
    for suffix in _BESIDE:
        beside = path.with_name(path.name + suffix)
        if beside.exists():
            beside.rename(aside.with_name(aside.name + suffix))
    return aside


def _is_whole(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_SECONDS)) as db:
            return bool(db.execute("pragma quick_check(1)").fetchone() == ("ok",))
    except sqlite3.Error as error:
        if is_damage(error):
            return False
        raise StoreError(f"{path} cannot be checked for damage: {error}") from error
