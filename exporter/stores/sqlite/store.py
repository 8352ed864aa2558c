"""`Store` on SQLite."""

import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from typing_extensions import override

from exporter.domain.classify.classifier import OLDEST_TIMESTAMP_MS
from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.interaction import (
    HOURS_PER_DAY,
    MS_PER_HOUR,
    Hour,
    Ignored,
    Reason,
    StoredInteraction,
)
from exporter.domain.portions import portions
from exporter.domain.tally import Tally
from exporter.ports import (
    AddResult,
    Batch,
    PeriodCounts,
    RebuildProgress,
    RejectedRow,
    Store,
    StoreError,
    StoreStats,
    WrongHolding,
)
from exporter.stores.sqlite import tallies
from exporter.stores.sqlite.batch_writer import (
    COLLECTED,
    NOTHING_REBUILT,
    REBUILT,
    BatchWriter,
    rebuilt_until,
)
from exporter.stores.sqlite.compression import (
    Compression,
    decompressor,
    keep_dictionary,
    newest_dictionary,
    train,
)
from exporter.stores.sqlite.database import (
    Database,
    hold,
    holding,
    note,
    remember,
    wrong_holdings,
)
from exporter.stores.sqlite.ids import forget

PORTION = 5_000  # interactions read, rebuilt or dropped at a time
_DEFINITIONS, _REBUILD = "definitions", "recount"
_OWN_NOTES = frozenset({_DEFINITIONS, _REBUILD, REBUILT})
_END_OF_TIME_MS = 1 << 62
_KINDS = {"interactions": "interactions", "ignored": "ignored rows", "rejected": "rejected rows"}


class SqliteStore(Store):
    """A `Store` in one SQLite file (WAL). Opens, makes or migrates it.

    Raises `StoreError` for a file that cannot be used: unreadable, foreign, or newer. With
    `durable` what was added survives the loss of power, too: nobody can send it again.
    """

    def __init__(self, path: Path, *, durable: bool = False) -> None:
        self._file = Database(path, durable=durable)
        with self._file.reading() as db:
            self._compression = Compression(newest_dictionary(db))
        self._active: Evaluator | None = None
        self._pending: Evaluator | None = None

    @property
    def _evaluator(self) -> Evaluator:
        if self._active is None:
            raise StoreError("use_definitions comes before anything is added or read")
        return self._active

    @override
    def active_definitions(self) -> bytes | None:
        text = self.note(_DEFINITIONS)
        return None if text is None else text.encode()

    @override
    def use_definitions(self, active: Evaluator, pending: Evaluator | None = None) -> None:
        with self._file.transaction() as db:
            if note(db, _DEFINITIONS) is None:
                remember(db, _DEFINITIONS, active.definitions.to_json().decode())
            if pending is not None and note(db, _REBUILD) != pending.digest:
                remember(db, _REBUILD, pending.digest)
                remember(db, REBUILT, NOTHING_REBUILT)
                hold(db, REBUILT, -holding(db, REBUILT))
                db.execute("delete from tallies where definitions = ?", (pending.digest,))
        self._active, self._pending = active, pending

    @override
    def must_rebuild(self) -> bool:
        return False  # rows and tallies are in one file, and are written in one transaction

    @override
    def is_readable(self) -> bool:
        return True

    @override
    def rebuild(self) -> RebuildProgress:
        pending = self._pending
        if pending is None:
            raise StoreError("there are no definitions to rebuild under")
        with self._file.transaction() as db:
            portion, finished = self._stored_after(db, rebuilt_until(db), _END_OF_TIME_MS)
            tallies.add_tally(db, pending.digest, pending.tally_stored(portion))
            # What is added after the end was not passed by: it has to be counted as it comes.
            last = (_END_OF_TIME_MS, "") if finished else (portion[-1].timestamp_ms, portion[-1].id)
            remember(db, REBUILT, json.dumps(last))
            return RebuildProgress(
                done=hold(db, REBUILT, len(portion)),
                total=holding(db, "interactions"),
                finished=finished,
            )

    @override
    def activate(self) -> None:
        pending = self._pending
        if pending is None:
            raise StoreError("there are no definitions to activate")
        with self._file.transaction() as db:
            remember(db, _DEFINITIONS, pending.definitions.to_json().decode())
            db.execute("delete from tallies where definitions <> ?", (pending.digest,))
            db.execute("delete from notes where name in (?, ?)", (_REBUILD, REBUILT))
        self._active, self._pending = pending, None

    @override
    def add(self, batch: Batch, now: datetime) -> AddResult:
        if not self._compression.trained:
            self._train(batch)
        with self._file.transaction() as db:
            return BatchWriter(
                db=db,
                compression=self._compression,
                active=self._evaluator,
                pending=self._pending,
                now_ms=int(now.timestamp() * 1000),
            ).add(batch)

    @override
    def settle(self) -> None:
        """Return at once: of several that write to a file, each finds what the others did."""

    def _train(self, batch: Batch) -> None:
        """Keep a dictionary before anything is compressed with it."""
        dictionary = train([row.raw for row in batch.interactions])
        if dictionary is not None:
            with self._file.transaction() as db:
                keep_dictionary(db, dictionary)
            self._compression = Compression(dictionary)

    @override
    def repair(self, hours: Collection[Hour], right: Tally) -> None:
        with self._file.transaction() as db:
            tallies.replace_hours(db, self._evaluator.digest, hours, right)

    @override
    def wrong_holdings(self, *, repair: bool) -> Iterator[WrongHolding]:
        with self._file.reading() as db:
            wrong = wrong_holdings(db)
        if wrong and repair:
            with self._file.transaction() as db:
                wrong = wrong_holdings(db)
                for name, n, right in wrong:
                    hold(db, name, right - n)
        for name, n, right in wrong:
            kind, _, reason = name.partition(":")
            what = f"{_KINDS[kind]} ({reason})" if reason else _KINDS[kind]
            yield WrongHolding(what=what, held=n, right=right)

    @override
    def drop_before(self, cutoff: Hour) -> int:
        # Whole days, a portion of interactions at a time.
        cutoff -= cutoff % HOURS_PER_DAY
        dropped = 0
        while True:
            with self._file.transaction() as db:
                removed = db.execute(
                    "delete from interactions where (timestamp, id) in"
                    " (select timestamp, id from interactions where timestamp < ? limit ?)"
                    " returning id, timestamp",
                    (cutoff * MS_PER_HOUR, PORTION),
                ).fetchall()
                # Those without a usable timestamp are no older than others.
                ignored = db.execute(
                    "delete from ignored where id in (select id from ignored"
                    " where timestamp >= ? and timestamp < ? limit ?)",
                    (OLDEST_TIMESTAMP_MS, cutoff * MS_PER_HOUR, PORTION),
                ).rowcount
                forget(db, removed)
                hold(db, "interactions", -len(removed))
                hold(db, "ignored", -ignored)
                hold(db, "dropped", len(removed) + ignored)
                dropped += len(removed)
                if max(len(removed), ignored) < PORTION:
                    db.execute("delete from tallies where start < ?", (cutoff,))
                    return dropped

    @override
    def remember(self, name: str, value: str) -> None:
        with self._file.transaction() as db:
            remember(db, name, value)

    @override
    def note(self, name: str) -> str | None:
        with self._file.reading() as db:
            return note(db, name)

    @override
    def notes(self) -> Mapping[str, str]:
        with self._file.reading() as db:
            every = dict(db.execute("select name, value from notes").fetchall())
        return {name: value for name, value in every.items() if name not in _OWN_NOTES}

    @override
    def copied_from(self, stats: StoreStats) -> None:
        with self._file.transaction() as db:
            for name, n in (
                ("dropped elsewhere", stats.dropped),
                ("collected elsewhere", stats.collected),
            ):
                hold(db, name, n - holding(db, name))

    @override
    def total(
        self, start: Hour, end: Hour, segmentations: Collection[str] | None = None
    ) -> Iterator[PeriodCounts]:
        with self._file.reading() as db:
            yield from tallies.total(db, self._evaluator.digest, start, end, segmentations)

    @override
    def by_day(
        self, start: Hour, end: Hour, segmentations: Collection[str] | None = None
    ) -> Iterator[PeriodCounts]:
        digest = self._evaluator.digest
        with self._file.reading() as db:
            yield from tallies.sums(db, digest, tallies.DAY, start, end, segmentations)

    @override
    def by_hour(
        self, start: Hour, end: Hour, segmentations: Collection[str] | None = None
    ) -> Iterator[PeriodCounts]:
        digest = self._evaluator.digest
        with self._file.reading() as db:
            yield from tallies.sums(db, digest, tallies.HOUR, start, end, segmentations)

    @override
    def interactions(self, start_ms: int, end_ms: int) -> Iterator[StoredInteraction]:
        # A portion at a time, so that no reading lasts long.
        after = (start_ms, "")
        while True:
            with self._file.reading() as db:
                portion, finished = self._stored_after(db, after, end_ms)
            yield from portion
            if finished:
                return
            after = (portion[-1].timestamp_ms, portion[-1].id)

    @staticmethod
    def _stored_after(
        db: sqlite3.Connection, after: tuple[int, str], end_ms: int
    ) -> tuple[Sequence[StoredInteraction], bool]:
        """Return the next portion, and whether there is nothing after it."""
        rows = db.execute(
            "select id, timestamp, body, arrived from interactions"
            " where (timestamp, id) > (?, ?) and timestamp < ? order by timestamp, id limit ?",
            (*after, end_ms, PORTION),
        )
        decompress = decompressor(db)
        stored = (
            StoredInteraction(id_, timestamp, decompress(body), arrived)
            for id_, timestamp, body, arrived in rows
        )
        portion = next(portions(stored, PORTION), ())
        return portion, len(portion) < PORTION and rows.fetchone() is None

    @override
    def ignored(self) -> Iterator[Ignored]:
        # A portion at a time.
        after = ""
        while True:
            with self._file.reading() as db:
                portion = db.execute(
                    "select id, timestamp from ignored where id > ? order by id limit ?",
                    (after, PORTION),
                ).fetchall()
            yield from map(Ignored._make, portion)
            if len(portion) < PORTION:
                return
            after = portion[-1][0]

    @override
    def stats(self) -> StoreStats:
        with self._file.reading() as db:
            stored = dict(db.execute("select name, n from holdings").fetchall())
            (newest,) = db.execute("select max(timestamp) from interactions").fetchone()
        return StoreStats(
            interactions=stored.get("interactions", 0),
            ignored=stored.get("ignored", 0),
            dropped=stored.get("dropped", 0) + stored.get("dropped elsewhere", 0),
            rejected={r: stored[f"rejected:{r}"] for r in Reason if stored.get(f"rejected:{r}")},
            newest_ms=newest,
            collected=stored.get(COLLECTED, 0) + stored.get("collected elsewhere", 0),
        )

    @override
    def rejected(self, limit: int) -> Sequence[RejectedRow]:
        with self._file.reading() as db:
            decompress = decompressor(db)
            rows = db.execute(
                "select id, body, reason, detail, refused_at from rejected"
                " where length(body) > 0 order by number desc limit ?",
                (limit,),
            )
            return [
                RejectedRow(id_, decompress(body), Reason(reason), detail, refused_ms)
                for id_, body, reason, detail, refused_ms in rows
            ]

    @override
    def close(self) -> None:
        self._file.close()
