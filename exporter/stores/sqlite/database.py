"""The file: opened, made or migrated; transactions; and what goes wrong, in words."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from time import sleep

from exporter.ports import StoreDamagedError, StoreError
from exporter.stores.sqlite.compression import DamagedBodyError

APPLICATION_ID = 0x4B504945  # "KPIE": what makes a file ours
MIGRATIONS = ("schema_1.sql",)
BUSY_TIMEOUT_SECONDS = 10.0
_LOOK_SECONDS = 0.05
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_PRIMARY = 0xFF  # the bits of an error code that say what it is; the others say more
CACHE_KIB = 8 * 1024  # twice as much makes an import no faster
CHECKPOINT_PAGES = 16_384  # 64 MiB: pages that change again and again are moved once


class Database:
    """A SQLite file of ours. Writes are serialised; each reading has a connection of its own.

    Raises `StoreError` for a file that cannot be used: unreadable, foreign, or newer.
    """

    def __init__(self, path: Path, *, durable: bool = False) -> None:
        """Open the file; if `durable`, a commit survives the loss of power, too."""
        self._path = path
        self._lock = threading.RLock()
        _create_private(path)
        with self._explained("opened"):
            self._writer = self._connect()
            try:
                self._migrate()
                if durable:
                    self._writer.execute("pragma synchronous = full")
                self._identity = _identity(path)
            except BaseException:
                self._writer.close()
                raise

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(
            self._path,
            timeout=BUSY_TIMEOUT_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        db.execute("pragma synchronous = normal")
        return db

    def _migrate(self) -> None:
        db = self._writer
        version = self._version()
        db.execute(f"pragma cache_size = -{CACHE_KIB}")
        self._use_wal()
        db.execute(f"pragma wal_autocheckpoint = {CHECKPOINT_PAGES}")
        if version == len(MIGRATIONS):
            return
        with self._begun("exclusive"):
            version = self._version()  # another process may have won the race
            for number, name in enumerate(MIGRATIONS[version:], start=version + 1):
                script = files("exporter.stores.sqlite").joinpath(name).read_text("utf-8")
                for statement in _statements(script):
                    db.execute(statement)
                db.execute(f"pragma application_id = {APPLICATION_ID}")
                db.execute(f"pragma user_version = {number}")

    def _use_wal(self) -> None:
        """Set WAL mode; SQLite does not wait here for another process that opens the file."""
        for _ in range(int(BUSY_TIMEOUT_SECONDS / _LOOK_SECONDS)):
            try:
                self._writer.execute("pragma journal_mode = wal")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                    raise
                sleep(_LOOK_SECONDS)
            else:
                return
        self._writer.execute("pragma journal_mode = wal")

    def _version(self) -> int:
        """Return the schema of the file, 0 if it is new. Raises `StoreError` for any but ours."""
        application, version, tables = self._writer.execute(
            "select application_id, user_version, (select count(*) from sqlite_schema)"
            " from pragma_application_id, pragma_user_version"
        ).fetchone()
        if application != APPLICATION_ID and tables:
            raise StoreError(
                f"{self._path} is a database of another program; give store.url another file"
            )
        if version > len(MIGRATIONS):
            raise StoreError(
                f"{self._path} was written by a newer kpi-exporter (schema {version}, known here:"
                f" {len(MIGRATIONS)}); upgrade kpi-exporter or give store.url another file"
            )
        return int(version)

    @contextmanager
    def _explained(self, done: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorname", type(error).__name__)
            text = f"{self._path} cannot be {done}: {error} ({code})"
            raise (StoreDamagedError if is_damage(error) else StoreError)(text) from error
        except DamagedBodyError as error:
            raise StoreDamagedError(
                f"{self._path} cannot be {done}: what it holds is damaged ({error});"
                " restore it from a backup"
            ) from error

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write: all of it or nothing. Raises `StoreError`."""
        with self._lock, self._explained("written"):
            self._check_place()
            with self._begun("immediate") as db:
                yield db

    @contextmanager
    def _begun(self, kind: str) -> Iterator[sqlite3.Connection]:
        db = self._writer
        db.execute(f"begin {kind}")
        try:
            yield db
            db.execute("commit")
        except BaseException:
            if db.in_transaction:
                db.execute("rollback")
            raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Read one state of the file, whatever is written meanwhile. Raises `StoreError`."""
        with self._explained("read"):
            self._check_place()
            with closing(self._connect()) as db:
                db.execute("pragma query_only = on")
                db.execute("begin")
                yield db

    def _check_place(self) -> None:
        """Raise `StoreDamagedError` if the file is gone: what is written would go with it."""
        if _identity(self._path) != self._identity:
            raise StoreDamagedError(
                f"{self._path} was deleted, or replaced by another file, while it was in use"
            )

    def close(self) -> None:
        """Finish what is under way. Raises `StoreError`."""
        with self._lock, self._explained("closed"):
            self._writer.close()


def _create_private(path: Path) -> None:
    """Create a file that nobody else may read, unless there is one; SQLite says what is wrong."""
    with suppress(OSError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what identifies a file; None if it cannot be found."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def is_damage(error: sqlite3.Error) -> bool:
    """Return whether SQLite found that a file is not as it wrote it."""
    return getattr(error, "sqlite_errorcode", 0) & _PRIMARY in _DAMAGED


def _statements(script: str) -> Iterator[str]:
    """Split a script; run as a whole it would end the transaction that it is to be part of."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def note(db: sqlite3.Connection, name: str) -> str | None:
    """Read a small value."""
    row = db.execute("select value from notes where name = ?", (name,)).fetchone()
    return None if row is None else str(row[0])


def remember(db: sqlite3.Connection, name: str, value: str) -> None:
    """Write a small value."""
    db.execute("insert or replace into notes (name, value) values (?, ?)", (name, value))


def holding(db: sqlite3.Connection, name: str) -> int:
    """Return how many of something are held."""
    row = db.execute("select n from holdings where name = ?", (name,)).fetchone()
    return 0 if row is None else int(row[0])


def hold(db: sqlite3.Connection, name: str, more: int) -> int:
    """Count more (or fewer) of something as held; return how many there are now."""
    n = holding(db, name) + more
    if more:
        db.execute("insert or replace into holdings (name, n) values (?, ?)", (name, n))
    return n


def wrong_holdings(db: sqlite3.Connection) -> list[tuple[str, int, int]]:
    """Return which of what is held is not as many as there are rows: name, count, right count."""
    counted = dict(
        db.execute(
            "select name, n from holdings"
            " where name in ('interactions', 'ignored') or name like 'rejected:%'"
        ).fetchall()
    )
    rows = dict(
        db.execute(
            "select 'interactions', count(*) from interactions"
            " union all select 'ignored', count(*) from ignored"
            " union all select 'rejected:' || reason, count(*) from rejected group by reason"
        ).fetchall()
    )
    both = [(name, counted.get(name, 0), rows.get(name, 0)) for name in {**rows, **counted}]
    return [(name, count, right) for name, count, right in both if count != right]
