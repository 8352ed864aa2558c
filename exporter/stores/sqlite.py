"""The embedded store: one SQLite file, one writer, interactions and tallies in one transaction."""

import json
import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from importlib.resources import files
from pathlib import Path

import msgspec

from exporter.domain.counting import Counting
from exporter.domain.interaction import (
    HOURS_PER_DAY,
    MS_PER_HOUR,
    Hour,
    Interaction,
    Reason,
    Rejected,
    Stored,
)
from exporter.domain.tally import Counts, Key, Tally, add, merge
from exporter.ports import Added, Batch, Holdings, Recount, RejectedRow, StoreError, Sum
from exporter.stores.compression import Compressor, Decompressor, train

APPLICATION_ID = 0x4B504945  # "KPIE": what makes a file ours
MIGRATIONS = ("sqlite_1.sql",)
REJECTED_KEPT = 10_000
PORTION = 5_000  # interactions read or recounted at a time
BUSY_TIMEOUT_MS = 10_000
CACHE_KIB = 64 * 1024

_Segments = dict[str, Counts]
_decode_segments = msgspec.msgpack.Decoder(_Segments).decode
_encode_segments = msgspec.msgpack.Encoder().encode


class SqliteStore:
    """A `Store` in one SQLite file (WAL). Opens, creates or migrates it.

    Raises `StoreError` for a file that cannot be used: unreadable, foreign, or newer.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writing = threading.RLock()
        self._countings: tuple[Counting, ...] = ()
        with self._explained("opened"):
            self._db = self._connect()
            try:
                self._migrate()
                self._load_dictionaries()
            except BaseException:
                self._db.close()
                raise

    # Connections, transactions, errors

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(
            self._path,
            timeout=BUSY_TIMEOUT_MS / 1000,
            isolation_level=None,
            check_same_thread=False,
        )
        db.execute("pragma synchronous = normal")
        db.execute("pragma foreign_keys = on")
        return db

    def _migrate(self) -> None:
        db = self._db
        (application,) = db.execute("pragma application_id").fetchone()
        (version,) = db.execute("pragma user_version").fetchone()
        (tables,) = db.execute("select count(*) from sqlite_schema").fetchone()
        if application != APPLICATION_ID and tables:
            raise StoreError(
                f"{self._path} is a database of another program; give store.url another file"
            )
        if version > len(MIGRATIONS):
            raise StoreError(
                f"{self._path} was written by a newer kpi-exporter (schema {version}, known here:"
                f" {len(MIGRATIONS)}); upgrade kpi-exporter or give store.url another file"
            )
        db.execute(f"pragma cache_size = -{CACHE_KIB}")
        db.execute("pragma journal_mode = wal")
        for number, name in enumerate(MIGRATIONS[version:], start=version + 1):
            script = files("exporter.stores").joinpath(name).read_text("utf-8")
            db.executescript(
                f"begin exclusive; {script};"
                f" pragma application_id = {APPLICATION_ID};"
                f" pragma user_version = {number}; commit"
            )

    def _load_dictionaries(self) -> None:
        contents = [row[0] for row in self._db.execute("select content from dictionaries")]
        self._dictionaries = contents
        self._compressor = Compressor(contents[-1] if contents else None)

    @contextmanager
    def _explained(self, done: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as problem:
            code = getattr(problem, "sqlite_errorname", type(problem).__name__)
            raise StoreError(f"{self._path} cannot be {done}: {problem} ({code})") from problem
        except ValueError as problem:
            raise StoreError(
                f"{self._path} cannot be {done}: what it holds is damaged ({problem});"
                " restore it from a backup"
            ) from problem

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._writing, self._explained("written"):
            db = self._db
            db.execute("begin immediate")
            try:
                yield db
                db.execute("commit")
            except BaseException:
                if db.in_transaction:
                    db.execute("rollback")
                raise

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._explained("read"), closing(self._connect()) as db:
            db.execute("pragma query_only = on")
            yield db

    # Definitions

    def definitions_in_force(self) -> bytes | None:
        """See `Store`."""
        text = self.note("definitions")
        return None if text is None else text.encode()

    def count_under(self, in_force: Counting, pending: Counting | None = None) -> None:
        """See `Store`."""
        with self._transaction() as db:
            if _note(db, "definitions") is None:
                _remember(db, "definitions", in_force.definitions.to_json().decode())
            self._countings = (in_force,) if pending is None else (in_force, pending)
            if pending is not None and _note(db, "recount") != pending.digest:
                _remember(db, "recount", pending.digest)
                _remember(db, "recounted", json.dumps([0, ""]))
                db.execute("delete from tallies where definitions = ?", (pending.digest,))
                _set(db, "recounted", 0)

    def recount(self) -> Recount:
        """See `Store`."""
        _, pending = self._countings
        with self._transaction() as db:
            after = json.loads(_note(db, "recounted") or '[0, ""]')
            portion = self._stored_after(db, after, end_ms=None)
            if portion:
                self._add_tally(db, pending.digest, pending.tally_stored(portion))
                last = portion[-1]
                _remember(db, "recounted", json.dumps([last.timestamp_ms, last.id]))
            done = _raise(db, "recounted", len(portion))
            return Recount(done, _holding(db, "interactions"), finished=len(portion) < PORTION)

    def put_in_force(self) -> None:
        """See `Store`."""
        _, pending = self._countings
        with self._transaction() as db:
            _remember(db, "definitions", pending.definitions.to_json().decode())
            db.execute("delete from tallies where definitions <> ?", (pending.digest,))
            db.execute("delete from notes where name in ('recount', 'recounted')")
            self._countings = (pending,)

    # Writing

    def add(self, batch: Batch, now: datetime) -> Added:
        """See `Store`."""
        with self._transaction() as db:
            return _Addition(self, db, now).add(batch)

    def _add_tally(
        self, db: sqlite3.Connection, digest: str, tally: Tally, *, hours: Sequence[int] = (1, 24)
    ) -> None:
        """Add a tally to the rows of its hours and of its days."""
        for length in hours:
            periods: dict[tuple[int, str], _Segments] = {}
            for key, counts in tally.items():
                start = key.hour - key.hour % length
                segments = periods.setdefault((start, key.segmentation), {})
                add(segments.setdefault(key.segment, {}), counts)
            for (start, segmentation), segments in periods.items():
                where = (digest, length, start, segmentation)
                row = db.execute(
                    "select counts from tallies"
                    " where definitions = ? and hours = ? and start = ? and segmentation = ?",
                    where,
                ).fetchone()
                held = _decode_segments(row[0]) if row else {}
                for segment, counts in segments.items():
                    add(held.setdefault(segment, {}), counts)
                db.execute(
                    "insert or replace into tallies values (?, ?, ?, ?, ?)",
                    (*where, _encode_segments({s: c for s, c in held.items() if c})),
                )

    def repair(self, hours: Collection[Hour], right: Tally) -> None:
        """See `Store`."""
        (digest, *_) = (counting.digest for counting in self._countings)
        with self._transaction() as db:
            held: Tally = {}
            for hour in hours:
                for row in self._sums(db, digest, 1, hour, hour + 1, None):
                    held[Key(row.start, row.segmentation, row.segment)] = row.counts
            change: Tally = {}
            merge(change, right)
            merge(change, held, -1)
            self._add_tally(db, digest, change, hours=(1,))
            for day in {hour - hour % HOURS_PER_DAY for hour in hours}:
                db.execute(
                    "delete from tallies where definitions = ? and hours = 24 and start = ?",
                    (digest, day),
                )
                whole: Tally = {}
                for row in self._sums(db, digest, 1, day, day + HOURS_PER_DAY, None):
                    whole[Key(row.start, row.segmentation, row.segment)] = row.counts
                self._add_tally(db, digest, whole, hours=(24,))

    def release(self, ids: Collection[str]) -> None:
        """See `Store`."""
        with self._transaction() as db:
            for id_ in ids:
                gone = db.execute("delete from rejected where id = ? returning reason", (id_,))
                for (reason,) in gone.fetchall():
                    _raise(db, f"rejected:{reason}", -1)

    def drop_before(self, cutoff: Hour) -> int:
        """See `Store`: whole days, a portion of interactions at a time."""
        cutoff -= cutoff % HOURS_PER_DAY
        dropped = 0
        while True:
            with self._transaction() as db:
                gone = db.execute(
                    "delete from interactions where (timestamp, id) in"
                    " (select timestamp, id from interactions where timestamp < ? limit ?)",
                    (cutoff * MS_PER_HOUR, PORTION),
                ).rowcount
                _raise(db, "interactions", -gone)
                _raise(db, "dropped", gone)
                dropped += gone
                if gone < PORTION:
                    db.execute("delete from tallies where start < ?", (cutoff,))
                    return dropped

    def remember(self, name: str, value: str) -> None:
        """See `Store`."""
        with self._transaction() as db:
            _remember(db, name, value)

    # Reading

    def total(
        self, start: Hour, end: Hour, segmentations: Collection[str] | None = None
    ) -> Iterator[Sum]:
        """See `Store`: whole days from the days' rows, the rest from the hours'."""
        first_day = -(-start // HOURS_PER_DAY) * HOURS_PER_DAY
        last_day = end - end % HOURS_PER_DAY
        if first_day >= last_day:
            spans = [(1, start, end)]
        else:
            spans = [(1, start, first_day), (24, first_day, last_day), (1, last_day, end)]
        totals: dict[tuple[str, str], Counts] = {}
        digest = self._countings[0].digest
        with self._reading() as db:
            db.execute("begin")  # one state of the store for all spans
            for length, first, last in spans:
                for row in self._sums(db, digest, length, first, last, segmentations):
                    add(totals.setdefault((row.segmentation, row.segment), {}), row.counts)
        for (segmentation, segment), counts in totals.items():
            yield Sum(start, segmentation, segment, counts)

    def by_day(
        self, start: Hour, end: Hour, segmentations: Collection[str] | None = None
    ) -> Iterator[Sum]:
        """See `Store`."""
        with self._reading() as db:
            yield from self._sums(db, self._countings[0].digest, 24, start, end, segmentations)

    def by_hour(
        self, start: Hour, end: Hour, segmentations: Collection[str] | None = None
    ) -> Iterator[Sum]:
        """See `Store`."""
        with self._reading() as db:
            yield from self._sums(db, self._countings[0].digest, 1, start, end, segmentations)

    @staticmethod
    def _sums(
        db: sqlite3.Connection,
        digest: str,
        length: int,
        start: Hour,
        end: Hour,
        segmentations: Collection[str] | None,
    ) -> Iterator[Sum]:
        rows = db.execute(
            "select start, segmentation, counts from tallies"
            " where definitions = ? and hours = ? and start >= ? and start < ?"
            " order by start, segmentation",
            (digest, length, start, end),
        )
        for first, segmentation, counts in rows:
            if segmentations is None or segmentation in segmentations:
                for segment, numbers in _decode_segments(counts).items():
                    yield Sum(first, segmentation, segment, numbers)

    def interactions(self, start_ms: int, end_ms: int) -> Iterator[Stored]:
        """See `Store`."""
        after: tuple[int, str] = (start_ms, "")
        while True:
            with self._reading() as db:
                portion = self._stored_after(db, after, end_ms)
            yield from portion
            if len(portion) < PORTION:
                return
            after = (portion[-1].timestamp_ms, portion[-1].id)

    def _stored_after(
        self, db: sqlite3.Connection, after: Sequence[object], end_ms: int | None
    ) -> list[Stored]:
        rows = db.execute(
            "select id, timestamp, body from interactions"
            " where (timestamp, id) > (?, ?) and timestamp < ? order by timestamp, id limit ?",
            (*after, 1 << 62 if end_ms is None else end_ms, PORTION),
        )
        decompress = Decompressor(self._dictionaries).decompress
        return [Stored(id_, timestamp, decompress(body)) for id_, timestamp, body in rows]

    def holdings(self) -> Holdings:
        """See `Store`."""
        with self._reading() as db:
            held = dict(db.execute("select name, n from holdings").fetchall())
            (newest,) = db.execute("select max(timestamp) from interactions").fetchone()
        return Holdings(
            interactions=held.get("interactions", 0),
            ignored=held.get("ignored", 0),
            dropped=held.get("dropped", 0),
            rejected={r: held[f"rejected:{r}"] for r in Reason if held.get(f"rejected:{r}")},
            newest_ms=newest,
        )

    def rejected(self, limit: int) -> Sequence[RejectedRow]:
        """See `Store`."""
        with self._reading() as db:
            decompress = Decompressor(self._dictionaries).decompress
            rows = db.execute(
                "select id, body, reason, detail, refused_at from rejected"
                " where length(body) > 0 order by number desc limit ?",
                (limit,),
            )
            return [
                RejectedRow(id_, decompress(body), Reason(reason), detail, refused_ms)
                for id_, body, reason, detail, refused_ms in rows
            ]

    def note(self, name: str) -> str | None:
        """See `Store`."""
        with self._reading() as db:
            return _note(db, name)

    def check(self) -> None:
        """See `Store`."""
        with self._reading() as db:
            db.execute("select count(*) from notes").fetchone()

    def close(self) -> None:
        """See `Store`."""
        with self._writing, self._explained("closed"):
            self._db.close()


class _Addition:
    """One batch on its way into the store, inside one transaction."""

    def __init__(self, store: SqliteStore, db: sqlite3.Connection, now: datetime) -> None:
        self._store = store
        self._db = db
        self._now_ms = int(now.timestamp() * 1000)

    def add(self, batch: Batch) -> Added:
        """Sort the batch's rows into new, changed and held, and store them."""
        db = self._db
        ids = json.dumps([row.id for row in batch.interactions])
        if not self._store._compressor.trained and len(batch.interactions) >= 1000:
            self._train(batch.interactions)
        held = self._held(ids)
        fresh: dict[str, Interaction] = {}
        replaced: dict[str, Stored] = {}
        for interaction in batch.interactions:
            id_ = interaction.id
            before = fresh.get(id_) or held.get(id_)
            if before is not None and before.raw == interaction.raw:
                continue
            if id_ in held:
                replaced[id_] = held[id_]
            fresh[id_] = interaction
        emptied = self._held(json.dumps([row.id for row in batch.ignored]))
        self._remove([*replaced.values(), *emptied.values()])
        self._insert(list(fresh.values()))
        self._forget_set_aside(ids)
        self._set_ignored([row.id for row in batch.ignored])
        self._set_rejected(batch.rejected)
        new = [row for row in fresh.values() if row.id not in replaced]
        _raise(db, "interactions", len(new) - len(emptied))
        return Added(
            imported=len(fresh),
            duplicate=len(batch.interactions) - len(fresh),
            ignored=len(batch.ignored),
            rejected=len(batch.rejected),
            replaced=len(replaced),
            timestamps_ms=[row.timestamp_ms for row in new],
        )

    def _train(self, interactions: Sequence[Interaction]) -> None:
        dictionary = train([row.raw for row in interactions[:4000]])
        if dictionary is not None:
            self._db.execute("insert into dictionaries (content) values (?)", (dictionary,))
            self._store._load_dictionaries()

    def _held(self, ids: str) -> dict[str, Stored]:
        rows = self._db.execute(
            "select i.id, i.timestamp, i.body from json_each(?) j"
            " join interactions i on i.id = j.value",
            (ids,),
        ).fetchall()
        if not rows:
            return {}
        decompress = Decompressor(self._store._dictionaries).decompress
        return {id_: Stored(id_, at, decompress(body)) for id_, at, body in rows}

    def _insert(self, fresh: list[Interaction]) -> None:
        compress = self._store._compressor.compress
        self._db.executemany(
            "insert into interactions (timestamp, id, body) values (?, ?, ?)",
            ((row.timestamp_ms, row.id, compress(row.raw)) for row in fresh),
        )
        in_force, *pending = self._store._countings
        self._store._add_tally(self._db, in_force.digest, in_force.tally(fresh))
        for counting in pending:
            due = self._recounted(Stored(row.id, row.timestamp_ms, row.raw) for row in fresh)
            self._store._add_tally(self._db, counting.digest, counting.tally_stored(due))

    def _remove(self, gone: list[Stored]) -> None:
        if not gone:
            return
        self._db.executemany("delete from interactions where id = ?", ((row.id,) for row in gone))
        in_force, *pending = self._store._countings
        self._take_off(in_force, gone)
        for counting in pending:
            self._take_off(counting, self._recounted(gone))

    def _take_off(self, counting: Counting, gone: list[Stored]) -> None:
        less: Tally = {}
        merge(less, counting.tally_stored(gone), -1)
        self._store._add_tally(self._db, counting.digest, less)

    def _recounted(self, stored: Iterable[Stored]) -> list[Stored]:
        """Leave out what the running recount has still before it."""
        timestamp_ms, id_ = json.loads(_note(self._db, "recounted") or '[0, ""]')
        return [row for row in stored if (row.timestamp_ms, row.id) <= (timestamp_ms, id_)]

    def _forget_set_aside(self, ids: str) -> None:
        """Readable now: no longer ignored or rejected."""
        gone = self._db.execute(
            "delete from ignored where id in (select value from json_each(?))", (ids,)
        ).rowcount
        _raise(self._db, "ignored", -gone)
        released = self._db.execute(
            "delete from rejected where id in (select value from json_each(?)) returning reason",
            (ids,),
        ).fetchall()
        for (reason,) in released:
            _raise(self._db, f"rejected:{reason}", -1)

    def _set_ignored(self, ids: list[str]) -> None:
        added = self._db.executemany(
            "insert or ignore into ignored (id) values (?)", ((id_,) for id_ in ids)
        ).rowcount
        _raise(self._db, "ignored", max(added, 0))

    def _set_rejected(self, rows: Sequence[Rejected]) -> None:
        """Keep what cannot be read aside; it never replaces what could be read before."""
        compress = self._store._compressor.compress
        for row in rows:
            number = self._db.execute(
                "insert into rejected (id, reason, detail, body, refused_at)"
                " select ?1, ?2, ?3, ?4, ?5"
                " where not exists (select 1 from interactions where id = ?1)"
                " and not exists (select 1 from ignored where id = ?1)"
                " on conflict do nothing returning number",
                (row.id, row.reason, row.detail, compress(row.raw), self._now_ms),
            ).fetchone()
            if number is not None:
                _raise(self._db, f"rejected:{row.reason}", 1)
                self._db.execute(
                    "update rejected set body = x'', detail = '' where number = ?",
                    (number[0] - REJECTED_KEPT,),
                )


def _note(db: sqlite3.Connection, name: str) -> str | None:
    row = db.execute("select value from notes where name = ?", (name,)).fetchone()
    return None if row is None else str(row[0])


def _remember(db: sqlite3.Connection, name: str, value: str) -> None:
    db.execute("insert or replace into notes (name, value) values (?, ?)", (name, value))


def _holding(db: sqlite3.Connection, name: str) -> int:
    row = db.execute("select n from holdings where name = ?", (name,)).fetchone()
    return 0 if row is None else int(row[0])


def _set(db: sqlite3.Connection, name: str, n: int) -> None:
    db.execute("insert or replace into holdings (name, n) values (?, ?)", (name, n))


def _raise(db: sqlite3.Connection, name: str, by: int) -> int:
    """Raise a count of what is held by so much, and give the new value."""
    n = _holding(db, name) + by
    if by:
        _set(db, name, n)
    return n
