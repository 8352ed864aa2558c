"""One batch on its way into the store, inside one transaction."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import msgspec

from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.interaction import Ignored, Interaction, Rejected, StoredInteraction
from exporter.domain.tally import Tally, merge
from exporter.ports import AddResult, Batch
from exporter.stores.json_equal import same_meaning
from exporter.stores.sqlite.compression import Compression
from exporter.stores.sqlite.database import hold, note
from exporter.stores.sqlite.ids import find, keep
from exporter.stores.sqlite.tallies import add_tally

REJECTED_KEPT = 10_000
COLLECTED = "collected"
REBUILT = "recounted"
NOTHING_REBUILT = '[0, ""]'

_AMONG = "id in (select t.id from json_each(?) j cross join {0} t on t.id = j.value)"


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def rebuilt_until(db: sqlite3.Connection) -> tuple[int, str]:
    """Return how far the running rebuild has come: the last (timestamp, id) that it counted."""
    timestamp_ms, id_ = json.loads(note(db, REBUILT) or NOTHING_REBUILT)
    return timestamp_ms, id_


def rows_known(db: sqlite3.Connection) -> int:
    """Return how many rows are held as interactions, ignored or rejected."""
    (n,) = db.execute(
        "select coalesce(sum(n), 0) from holdings"
        " where name in ('interactions', 'ignored') or name like 'rejected:%'"
    ).fetchone()
    return int(n)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchWriter:
    """Sorts a batch's rows into new, changed and held, and stores and counts them.

    `pending` counts under definitions that a rebuild is going through: only what that has
    passed already, since it will come to the rest.
    """

    db: sqlite3.Connection
    compression: Compression
    active: Evaluator
    pending: Evaluator | None
    now_ms: int

    def add(self, batch: Batch) -> AddResult:
        """Store the batch. Of an id that comes readable and ignored, what can be read stays."""
        readable = {row.id for row in batch.interactions}
        ignored = [row for row in batch.ignored if row.id not in readable]
        if not batch.collected:
            return self._add(batch, ignored)
        before = rows_known(self.db)
        added = self._add(batch, ignored)
        hold(self.db, COLLECTED, rows_known(self.db) - before)
        return added

    def _add(self, batch: Batch, empty: Sequence[Ignored]) -> AddResult:
        ids = _json([row.id for row in batch.interactions])
        stored = find(self.db, (row.id for row in batch.interactions))
        fresh: dict[str, Interaction] = {}
        for interaction in batch.interactions:
            before = fresh.get(interaction.id) or stored.get(interaction.id)
            if before is None or not same_meaning(before.raw, interaction.raw):
                fresh[interaction.id] = interaction
        replaced = [stored[id_] for id_ in fresh if id_ in stored]
        ignored = _json([row.id for row in empty])
        emptied = list(find(self.db, (row.id for row in empty)).values())
        self._remove(replaced + emptied)
        self._insert(list(fresh.values()))
        self._forget_ignored(ids)
        self._forget_rejected(ids)
        self._forget_rejected(ignored)
        self._set_ignored(empty)
        self._set_rejected(batch.rejected)
        hold(self.db, "interactions", len(fresh) - len(replaced) - len(emptied))
        return AddResult(
            imported=len(fresh),
            duplicate=len(batch.interactions) - len(fresh),
            ignored=len(batch.ignored),
            rejected=len(batch.rejected),
            timestamps_ms=[row.timestamp_ms for row in fresh.values() if row.id not in stored],
        )

    def _insert(self, fresh: Sequence[Interaction]) -> None:
        """Insert rows by one statement.

        By one for each row, a thread that computes meanwhile would be handed Python's lock at
        each, and keep it for a while: beside one, 20,000 rows took forty times as long.
        """
        frames = self.compression.compress_all([row.raw for row in fresh])
        starts = accumulate(frames.lengths, initial=1)
        self.db.execute(
            "insert into interactions (timestamp, id, arrived, body)"
            " select json_extract(value, '$[0]'), json_extract(value, '$[1]'), :now_ms,"
            " substr(:frames, json_extract(value, '$[2]'), json_extract(value, '$[3]'))"
            " from json_each(:rows)",
            {
                "rows": _json(
                    [
                        (row.timestamp_ms, row.id, start, length)
                        for row, start, length in zip(fresh, starts, frames.lengths, strict=False)
                    ]
                ),
                "now_ms": self.now_ms,
                "frames": frames.joined,
            },
        )
        keep(self.db, ((row.id, row.timestamp_ms) for row in fresh))
        add_tally(self.db, self.active.digest, self.active.tally(fresh))
        if self.pending is not None:
            due = self._passed(
                StoredInteraction(row.id, row.timestamp_ms, row.raw) for row in fresh
            )
            add_tally(self.db, self.pending.digest, self.pending.tally_stored(due))

    def _remove(self, removed: Sequence[StoredInteraction]) -> None:
        if not removed:
            return
        self.db.executemany(
            "delete from interactions where timestamp = ? and id = ?",
            [(row.timestamp_ms, row.id) for row in removed],
        )
        self._take_off(self.active, removed)
        if self.pending is not None:
            self._take_off(self.pending, self._passed(removed))

    def _take_off(self, evaluator: Evaluator, removed: Sequence[StoredInteraction]) -> None:
        less: Tally = {}
        merge(less, evaluator.tally_stored(removed), -1)
        add_tally(self.db, evaluator.digest, less)

    def _passed(self, stored: Iterable[StoredInteraction]) -> list[StoredInteraction]:
        """Keep what the running rebuild has behind it."""
        until = rebuilt_until(self.db)
        return [row for row in stored if (row.timestamp_ms, row.id) <= until]

    def _forget_ignored(self, ids: str) -> None:
        removed = self.db.execute(
            f"delete from ignored where {_AMONG.format('ignored')}",  # noqa: S608
            (ids,),
        ).rowcount
        hold(self.db, "ignored", -removed)

    def _forget_rejected(self, ids: str) -> None:
        released = self.db.execute(
            f"delete from rejected where {_AMONG.format('rejected')} returning reason",  # noqa: S608
            (ids,),
        ).fetchall()
        for (reason,) in released:
            hold(self.db, f"rejected:{reason}", -1)

    def _set_ignored(self, rows: Sequence[Ignored]) -> None:
        added = self.db.execute(
            "insert or ignore into ignored (id, timestamp)"
            " select json_extract(value, '$[0]'), json_extract(value, '$[1]') from json_each(?)",
            (_json(rows),),
        ).rowcount
        hold(self.db, "ignored", max(added, 0))

    def _set_rejected(self, rows: Sequence[Rejected]) -> None:
        """Keep what cannot be read; it never replaces what could be read before."""
        latest = {row.id: row for row in rows}
        stored = find(self.db, latest)
        for row in latest.values():
            if row.id in stored:
                continue
            added = self.db.execute(
                "insert into rejected (id, reason, detail, body, refused_at)"
                " select :id, :reason, :detail, :body, :now_ms"
                " where not exists (select 1 from ignored where id = :id)"
                " on conflict do nothing returning number",
                {
                    "id": row.id,
                    "reason": row.reason,
                    "detail": row.detail,
                    "body": self.compression.compress(row.raw),
                    "now_ms": self.now_ms,
                },
            ).fetchone()
            if added is not None:
                hold(self.db, f"rejected:{row.reason}", 1)
                # Its id stays, so that the row is accounted for; its content makes room.
                self.db.execute(
                    "update rejected set body = x'', detail = '' where number = ?",
                    (added[0] - REJECTED_KEPT,),
                )
