"""The store on CouchDB: what `Store` promises, from the parts beside this file."""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from urllib.parse import unquote, urlsplit

import msgspec
import structlog
from typing_extensions import override

from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.interaction import MS_PER_HOUR, Hour, Ignored, StoredInteraction
from exporter.domain.tally import Tally, merge
from exporter.domain.windows import joined, ms_of
from exporter.ports import (
    AddResult,
    Batch,
    PeriodCounts,
    RebuildProgress,
    RejectedRow,
    Store,
    StoreError,
    StoreStats,
    StoreUnavailableError,
    WrongHolding,
)
from exporter.stores.couchdb.batch_writer import BatchWriter
from exporter.stores.couchdb.batches import ABANDONED_MS, Batches
from exporter.stores.couchdb.cleanup import Cleanup
from exporter.stores.couchdb.conflicts import Conflicts
from exporter.stores.couchdb.dedup_cache import DedupCache
from exporter.stores.couchdb.design import Views
from exporter.stores.couchdb.documents import Document, row_id, stored
from exporter.stores.couchdb.generations import (
    DefinitionsDocument,
    Generations,
    rebuilt_anew,
    switched,
    with_pending,
)
from exporter.stores.couchdb.holdings import Holdings, StoredRows
from exporter.stores.couchdb.look import Look
from exporter.stores.couchdb.months import Months
from exporter.stores.couchdb.names import TALLIES, UNDATED, Month, database_prefix, end_of, start_of
from exporter.stores.couchdb.parts import parts_of, sum_of
from exporter.stores.couchdb.rebuild import Rebuild
from exporter.stores.couchdb.rejections import Rejections
from exporter.stores.couchdb.server import NEVER, TRIES, Database, Found, Server
from exporter.stores.couchdb.sort_on_disk import by_timestamp
from exporter.stores.couchdb.tally_reader import TallyReader
from exporter.stores.couchdb.tiles import to_tally
from exporter.stores.couchdb.transport import Conflict, NotFound, Transport

WRITERS = 2  # bulk writes under way at once; CouchDB gets no faster with more
ReadPortions = Callable[
    [TallyReader, Hour, Hour, Collection[str] | None], Iterator[Sequence[PeriodCounts]]
]
SCANNED = 2_000  # documents read at a time when a month is gone through
_NOTES = "note:"


class _Note(msgspec.Struct):
    value: str


class _Parts:
    """What works once the databases and views are known to be there."""

    def __init__(self, server: Server, prefix: str, tallies: Database) -> None:
        if not tallies.exists():
            tallies.create(shards=1)
        self.views = views = Views(tallies)
        views.deploy()
        self.register = register = DefinitionsDocument(tallies)
        self.months = months = Months(server, prefix, tallies)
        self.batches = Batches(tallies, months, register, views)
        self.rejections = Rejections(tallies, months, views)
        self.cleanup = Cleanup(tallies, register, views)
        self.look = Look(tallies, months, Conflicts(tallies, months, register), register)
        self.holdings = Holdings(tallies, months, views)


class CouchdbStore(Store):
    """A `Store` on a CouchDB server: `couchdb://host:5984/prefix`, `couchdbs://` for TLS.

    The prefix begins the names of its databases. Nothing is asked of the server before the
    first use, so a server that is down does not keep the exporter from starting.
    """

    def __init__(
        self,
        url: str,
        *,
        username: str | None = None,
        password: str | None = None,
        transport: Transport | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create it; `transport` sends its requests, if not as usual."""
        parts = urlsplit(url)
        self._server = Server(
            url,
            transport or Transport(),
            username=username or unquote(parts.username or ""),
            password=password if password is not None else unquote(parts.password or ""),
        )
        self._prefix = database_prefix(unquote(parts.path.strip("/")))
        self._tallies = self._server.database(f"{self._prefix}-{TALLIES}")
        self._writing = threading.RLock()
        self._writers = ThreadPoolExecutor(WRITERS, thread_name_prefix="couchdb")
        self._built: _Parts | None = None
        self._active: Evaluator | None = None
        self._pending: Evaluator | None = None
        self._rebuild: Rebuild | None = None
        self._checked = False
        self._last_surplus: Mapping[Month, int] | None = None
        self._seen = DedupCache()
        self._note_revs: dict[str, str] = {}
        self._unfinished: list[str] = []
        self._recovered_ms: int | None = None
        self._monotonic = monotonic
        self._import_began: tuple[int, float] | None = None

    @property
    def _parts(self) -> _Parts:
        """Make what is missing in CouchDB, the first time."""
        if self._built is not None:  # nobody who reads waits for a write
            return self._built
        with self._writing:
            if self._built is None:
                self._built = _Parts(self._server, self._prefix, self._tallies)
            return self._built

    @property
    def _evaluator(self) -> Evaluator:
        if self._active is None:
            raise StoreError("use_definitions comes before anything is added or read")
        return self._active

    @property
    def _pending_evaluator(self) -> Evaluator:
        if self._pending is None:
            raise StoreError("there are no definitions to rebuild under")
        return self._pending

    # Definitions

    @override
    def active_definitions(self) -> bytes | None:
        state = self._parts.register.found()
        return None if state is None else state.of(state.active).definitions.encode()

    @override
    def use_definitions(self, active: Evaluator, pending: Evaluator | None = None) -> None:
        # Batches that a killed exporter left are counted here.
        parts = self._parts
        with self._writing:
            parts.register.know(*filter(None, (active, pending)))
            state = parts.register.found() or parts.register.start(active)
            self._require(state, active)
            if pending is not None:
                parts.register.change(lambda state: with_pending(state, pending))
            self._active, self._pending = active, pending
            self._rebuild = None
            parts.batches.recover(None)
            parts.look.run()
            self._check(parts)
            self._join(parts)

    def _check(self, parts: _Parts) -> None:
        """Find out whether tallies and rows go together, once and as soon as it is certain.

        In a cluster one node may lag behind for a while: there a difference has to last.
        """
        state = parts.register.read()
        if not state.anew and not self._checked:
            parts.months.find()
            surplus = parts.holdings.surplus()
            lasts = bool(surplus) and surplus == self._last_surplus
            self._last_surplus = surplus
            if surplus and (lasts or not self._tallies.is_replicated):
                structlog.get_logger().warning(
                    "the tallies are not those of the stored interactions: one of the two was lost,"
                    " or restored from another day; rebuilding the tallies",
                    database=self._tallies.url,
                    difference=sum(surplus.values()),
                )
                state = parts.register.change(_lost)
            self._checked = surplus is not None and (not surplus or state.anew)

    def _join(self, parts: _Parts) -> None:
        """Join a rebuild that became necessary."""
        if parts.register.last.anew:
            self._pending = pending = self._pending or self._evaluator
            parts.register.change(lambda state: with_pending(state, pending))

    @override
    def must_rebuild(self) -> bool:
        return self._parts.register.last.anew

    @override
    def is_readable(self) -> bool:
        return not self._parts.register.last.untrusted

    @override
    def rebuild(self) -> RebuildProgress:
        parts = self._parts
        with self._writing:
            pending = self._pending_evaluator
            state = parts.register.read()
            total = self.stats().interactions
            number = state.pending
            if number is None or state.of(number).digest != pending.digest:
                if state.of(state.active).digest == pending.digest:  # another one was quicker
                    return RebuildProgress(done=total, total=total, finished=True)
                raise StoreError(
                    f"{self._tallies.url} is being rebuilt by an exporter with other"
                    " definitions; give all exporters of one store the same"
                )
            if self._rebuild is None or self._rebuild.number != number:
                self._rebuild = Rebuild(
                    number,
                    pending,
                    tallies=self._tallies,
                    months=parts.months,
                    batches=parts.batches,
                    holdings=parts.holdings,
                    register=parts.register,
                )
            return self._rebuild.step(total)

    @override
    def activate(self) -> None:
        parts = self._parts
        with self._writing:
            pending = self._pending_evaluator
            state = parts.register.read()
            rebuilt = None if self._rebuild is None else self._rebuild.number
            if rebuilt is not None and state.pending == rebuilt:
                state = parts.register.change(lambda state: switched(state, rebuilt))
            if state.pending is not None and state.of(state.pending).digest == pending.digest:
                raise StoreUnavailableError(
                    f"the rebuilding of {self._tallies.url} has begun anew, and is not finished"
                )
            self._require(state, pending)
            self._active, self._pending = pending, None
            self._rebuild = None

    def _require(self, state: Generations, evaluator: Evaluator) -> None:
        if state.of(state.active).digest != evaluator.digest:
            raise StoreError(
                f"another exporter has changed the definitions in {self._tallies.url}; give all"
                " exporters of one store the same, and restart or reload this one"
            )

    # Writing

    @override
    def add(self, batch: Batch, now: datetime) -> AddResult:
        parts = self._parts
        now_ms = ms_of(now)
        with self._writing:
            self._recover(parts, now_ms)
            cut = parts_of(batch, self._evaluator.layout)
            added = sum_of([self._add(parts, part, now_ms) for part in cut])
            return replace(added, ignored=len(batch.ignored))

    @override
    def settle(self) -> None:
        parts = self._parts
        with self._writing:
            parts.look.run()
            if not self._checked:
                self._check(parts)
            self._join(parts)

    def _add(self, parts: _Parts, batch: Batch, now_ms: int) -> AddResult:
        if self._import_began is None or self._import_began[0] != now_ms:
            self._import_began = now_ms, self._monotonic()
        waited_seconds = self._monotonic() - self._import_began[1]
        addition = BatchWriter(
            batches=parts.batches,
            months=parts.months,
            rejections=parts.rejections,
            writers=self._writers,
            evaluator=self._evaluator,
            seen=self._seen,
            waited_ms=int(waited_seconds * 1000),
        )
        try:
            return addition.run(batch, now_ms)
        except BaseException:
            self._unfinished += [opened.id for opened in addition.opened]
            raise

    def _recover(self, parts: _Parts, now_ms: int) -> None:
        """Count what this process could not finish, and what others seem to have left."""
        while self._unfinished:
            parts.batches.recover_one(self._unfinished[0], now_ms)
            del self._unfinished[0]
        if self._recovered_ms is None or now_ms - self._recovered_ms > ABANDONED_MS:
            parts.batches.recover(now_ms, opened_before_ms=now_ms - ABANDONED_MS)
            self._recovered_ms = now_ms

    @override
    def repair(self, hours: Collection[Hour], right: Tally) -> None:
        # The difference is written beside what was counted.
        parts = self._parts
        with self._writing:
            state = self._state_to_read()
            reader = self._reader(state)
            difference: Tally = {}
            merge(difference, right)
            for start, end in joined((hour, hour + 1) for hour in sorted(set(hours))):
                for portion in reader.by_hour(start, end, None):
                    merge(difference, to_tally(portion), -1)
            parts.cleanup.correct(state.active, self._evaluator, difference)

    @override
    def drop_before(self, cutoff: Hour) -> int:
        # Whole months; and tallies that count nothing any more.
        parts = self._parts
        with self._writing:
            state = parts.register.found()
            if state is None:
                return 0
            parts.cleanup.drop_generations(state)
            past = parts.months.past(cutoff)
            rows = parts.holdings.counted() if past else StoredRows()
            dropped = 0
            for month in past:
                dropped += parts.months.drop(month, rows.of(month)[0])
            if remaining := parts.months.remaining():
                parts.cleanup.drop_hours(state, max(map(end_of, remaining)))
                parts.months.remove_databases(remaining)
            return dropped

    @override
    def remember(self, name: str, value: str) -> None:
        self._parts  # noqa: B018 - the database has to be there
        id_ = _NOTES + name
        with self._writing:
            for _ in range(TRIES):
                try:
                    rev = self._tallies.put(id_, _Note(value), self._note_revs.get(name, NEVER))
                except Conflict:
                    found = self._tallies.get(id_, _Note)
                    self._note_revs[name] = found.rev if found else NEVER
                else:
                    self._note_revs[name] = rev
                    return
        raise StoreError(f"{self._tallies.url}: too many exporters change {id_!r} at once")

    # Reading

    @override
    def total(
        self, start: Hour, end: Hour, segmentations: Collection[str] | None = None
    ) -> Iterator[PeriodCounts]:
        state = self._state_to_read()
        sums = self._reader(state).total(start, end, segmentations)
        self._check_current(state)
        yield from sums

    @override
    def by_day(
        self, start: Hour, end: Hour, segmentations: Collection[str] | None = None
    ) -> Iterator[PeriodCounts]:
        return self._portions(TallyReader.by_day, start, end, segmentations)

    @override
    def by_hour(
        self, start: Hour, end: Hour, segmentations: Collection[str] | None = None
    ) -> Iterator[PeriodCounts]:
        return self._portions(TallyReader.by_hour, start, end, segmentations)

    def _portions(
        self, read: ReadPortions, start: Hour, end: Hour, segmentations: Collection[str] | None
    ) -> Iterator[PeriodCounts]:
        state = self._state_to_read()
        for first, last in self._parts.months.spans(start, end):
            for portion in read(self._reader(state), first, last, segmentations):
                self._check_current(state)
                yield from portion

    def _state_to_read(self) -> Generations:
        evaluator = self._evaluator
        state = self._parts.register.read()
        self._require(state, evaluator)
        if state.untrusted:
            raise StoreUnavailableError(
                f"the counts in {self._tallies.url} are not those of the stored interactions: one"
                " of the two was lost, or restored from another day. `kpi-exporter serve` and"
                " `import` rebuild them; until then there is nothing to read"
            )
        return state

    def _check_current(self, state: Generations) -> None:
        """Raise `StoreError` if the generation that was read may have been on its way out."""
        if self._parts.register.read().active != state.active:
            self._require(self._parts.register.read(), self._evaluator)
            raise StoreError(f"the definitions in {self._tallies.url} changed while it was read")

    def _reader(self, state: Generations) -> TallyReader:
        return TallyReader(
            self._tallies,
            self._parts.views,
            number=state.active,
            layout=self._evaluator.layout,
            slot_tiles=state.tiles_used,
        )

    @override
    def interactions(self, start_ms: int, end_ms: int) -> Iterator[StoredInteraction]:
        # A month is read whole, whatever part of it is asked for.
        for month in self._parts.months.stored():
            if (
                month != UNDATED
                and start_of(month) * MS_PER_HOUR < end_ms
                and end_of(month) * MS_PER_HOUR > start_ms
            ):
                yield from by_timestamp(self._scanned(month, start_ms, end_ms))

    def _scanned(
        self, month: Month, start_ms: int, end_ms: int
    ) -> Iterator[list[StoredInteraction]]:
        for page in self._pages(month):
            yield [
                interaction
                for found in page
                for interaction in stored(row_id(found.id, found.document), found.document)
                if start_ms <= interaction.timestamp_ms < end_ms
            ]

    def _pages(self, month: Month) -> Iterator[list[Found[Document]]]:
        with suppress(NotFound):  # dropped meanwhile
            yield from self._parts.months.database(month).pages(SCANNED, Document)

    @override
    def ignored(self) -> Iterator[Ignored]:
        for month in self._parts.months.stored():
            for page in self._pages(month):
                for found in page:
                    if found.document.batch and not found.document.raw:
                        yield Ignored(row_id(found.id, found.document), found.document.at)

    @override
    def stats(self) -> StoreStats:
        parts = self._parts
        rows = parts.holdings.counted()
        absent = parts.months.absent()
        newest = parts.views.rows("newest", descending=True, limit=1)
        return StoreStats(
            interactions=rows.interactions - absent.dropped,
            ignored=rows.ignored,
            dropped=absent.dropped + absent.dropped_elsewhere,
            rejected=rows.rejected,
            newest_ms=newest[0].key if newest else None,
            collected=rows.collected + absent.collected_elsewhere,
        )

    @override
    def wrong_holdings(self, *, repair: bool) -> Iterator[WrongHolding]:
        parts = self._parts
        with self._writing:
            yield from parts.holdings.wrong(repair=repair)

    @override
    def rejected(self, limit: int) -> Sequence[RejectedRow]:
        return self._parts.rejections.newest(limit)

    @override
    def note(self, name: str) -> str | None:
        self._parts  # noqa: B018 - the database has to be there
        found = self._tallies.get(_NOTES + name, _Note)
        return None if found is None else found.document.value

    @override
    def notes(self) -> Mapping[str, str]:
        self._parts  # noqa: B018 - the database has to be there
        ids = self._tallies.identifiers(_NOTES)
        found = self._tallies.fetch(ids, _Note) if ids else []
        return {note.id.removeprefix(_NOTES): note.document.value for note in found if note}

    @override
    def copied_from(self, stats: StoreStats) -> None:
        self._parts.months.copied_from(dropped=stats.dropped, collected=stats.collected)

    @override
    def close(self) -> None:
        with self._writing:
            self._writers.shutdown()
            self._server.close()


def _lost(state: Generations) -> Generations:
    """Start to rebuild tallies that are not to be read, unless another exporter did."""
    return state if state.anew else rebuilt_anew(state, readable=False)
