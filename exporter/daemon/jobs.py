"""The daemon's jobs: import, rebuild tallies, drop what is old, take snapshots."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

import msgspec
import structlog

from exporter import notes
from exporter.config import Configuration
from exporter.crash import end_out_of_memory
from exporter.daemon.definitions import ActiveDefinitions
from exporter.daemon.errors import ErrorLog, message_of
from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.lateness import Lateness, late_seconds
from exporter.domain.retention import cutoff
from exporter.domain.windows import hour_of, ms_of
from exporter.ingest.importer import OLDEST, Importer
from exporter.ingest.reconciler import Reconciler
from exporter.metrics.collecting import CollectRecorder, CollectStatus
from exporter.metrics.exposition import Exposition
from exporter.metrics.periods import Periods, take_periods
from exporter.metrics.snapshot import take_snapshot
from exporter.metrics.status import StatusRecorder
from exporter.ports import (
    AddResult,
    Source,
    SourceError,
    Store,
    StoreDamagedError,
    StoreError,
    StoreUnavailableError,
)
from exporter.wiring import open_source, replace_damaged_store

_READING, _WRITING = "reading the store", "writing to the store"


class Jobs:
    """Does what the daemon does, one thing at a time.

    `now` reads the clock. Each job may be called from any thread, and raises nothing. `recorder`
    has what the exporter knows of its own work, `exposition` the last snapshot, ready to be
    scraped, and `periods` the last days, for the page; None until they were added up.
    """

    def __init__(
        self, configuration: Configuration, store: Store, *, now: Callable[[], datetime]
    ) -> None:
        """Expose what the store holds already; if it is unavailable, at the next import.

        Raises `StoreError` for what asking again does not help.
        """
        self._log = structlog.get_logger()
        self._now = now
        self._store = store
        self._errors = ErrorLog()
        self.recorder = StatusRecorder()
        self.collected = CollectRecorder()
        self.exposition = Exposition(
            lambda: self.recorder.status, lambda: self.digest, lambda: self.collect_status
        )
        self._working = threading.Lock()  # one import, portion of a rebuild or clean-up at a time
        self._showing = threading.RLock()  # store, active definitions and snapshot go together
        self._adding = threading.RLock()  # definitions stay while what was posted is added
        self._learning = threading.Lock()  # of one batch at a time, how late it came
        self._clock_is_doubted = False
        self._unexposed = threading.Event()  # something was collected since the last snapshot
        self._stopping = threading.Event()
        self._damaged = False  # whether the store was found to be
        self.configuration = configuration
        self.periods: Periods | None = None
        self._source: Source | None = None
        self._reconciler: Reconciler | None = None
        self._filled = False
        self._opened = False
        self._definitions = ActiveDefinitions(configuration.definitions)
        try:
            self._open()
        except StoreUnavailableError as error:
            self._store_failed(_READING, error)

    def _open(self) -> None:
        """Read what the store holds, unless that was done."""
        with self._adding, self._showing:
            if self._opened:
                return
            self._disconnect()
            self._connect()
            self._definitions.use(self._store, self.configuration.definitions)
            self._filled = self._is_filled()
            late = notes.read_json(notes.LATENESS, self._store.note(notes.LATENESS), Lateness)
            self.recorder.lateness_changed(late or Lateness())
            self.recorder.store_used(_READING, worked=True)
            self.recorder.store_counted(self._store.stats())
            self._take_snapshot()
            self._opened = True
        self._errors.recovered(_READING)

    def _connect(self) -> None:
        """Create what imports need, as configured."""
        self._connected_for = self.configuration
        self._source = None
        self._importer: Importer | None = None
        self._reconciler = None
        self.recorder.importing(from_source=self.configuration.data_server is not None)
        if self.configuration.data_server is None:
            return
        self._source = open_source(self.configuration.data_server)
        settings = self.configuration.import_
        self.recorder.import_interval_changed(settings.every)
        self._importer = Importer(self._source, self._store, history=settings.history)
        self._reconciler = Reconciler(
            self._importer,
            self._source,
            self._store,
            history=settings.history,
            retention=self.configuration.retention,
            sweeps=settings.sweeps,
        )

    def _disconnect(self) -> None:
        if self._source is not None:
            self._source.close()

    def _is_filled(self) -> bool:
        """Return whether an import has ended, if only with nothing, or there is none."""
        return self._importer is None or self._importer.position() is not None

    def use(self, configuration: Configuration) -> None:
        """Use another configuration, from the next import on; a running one ends as it is."""
        self.configuration = configuration

    # What there is to see

    @property
    def digest(self) -> str:
        """Names the definitions that the exposed KPIs are counted by."""
        return self._definitions.active.digest

    @property
    def collect_status(self) -> CollectStatus | None:
        """What was collected; None if nothing is."""
        return None if self.configuration.collect is None else self.collected.status

    @property
    def error(self) -> str:
        """What is wrong at the moment, empty if nothing is."""
        return self.recorder.status.last_error or self._errors.current(_READING, _WRITING)

    @property
    def waits_for(self) -> str:
        """What has to happen before KPIs are exposed, if nothing is wrong."""
        if self._definitions.readable:
            return "the first import is not finished"
        return "the tallies are being rebuilt"

    @contextmanager
    def reading(self) -> Iterator[tuple[Store, Evaluator]]:
        """Read the store under the active definitions, which stay so meanwhile."""
        with self._showing:
            if not self._opened:
                raise StoreUnavailableError(self.error)
            yield self._store, self._definitions.active

    @contextmanager
    def adding(self) -> Iterator[tuple[Store, Evaluator]]:
        """Add what was posted, under the active definitions, which stay so meanwhile.

        Raises `StoreError`, which is logged once.
        """
        with self._adding:
            try:
                self._open()
                yield self._store, self._definitions.active
            except StoreError as error:
                self._store_failed(_WRITING, error)
                raise
            self._worked(_WRITING)
            self._unexposed.set()

    def added(self, result: AddResult) -> None:
        """Count what became of interactions that were posted."""
        self.collected.added(result)
        self._see_lateness(result, self._now())

    # What there is to do

    def import_now(self) -> None:
        """Import, and expose what has come."""
        with self._guarded(_WRITING), self._working:
            if self._stopping.is_set():
                return
            if self._damaged:
                self._replace_store()
            self._open()
            if self.configuration is not self._connected_for:
                self._disconnect()
                self._connect()
            if not self._definitions.are(self.configuration.definitions):
                with self._adding, self._showing:
                    self._definitions.use(self._store, self.configuration.definitions)
            if self.periods is None:
                self._take_periods()
            if self._reconciler is None:
                self._count_store()
            else:
                self._import(self._reconciler)
            if self._definitions.must_be_used_anew(self._store):
                with self._adding, self._showing:
                    self._definitions.use(self._store, self.configuration.definitions)
        self.take_snapshot()

    def expose_collected(self) -> None:
        """Expose what was collected since the last snapshot, if anything was."""
        if not self._unexposed.is_set():
            return
        self._unexposed.clear()
        with self._guarded(_READING):
            self.recorder.store_counted(self._store.stats())
            self._take_snapshot()

    def take_snapshot(self) -> None:
        """Expose the KPIs of this instant: windows move even when nothing comes."""
        with self._guarded(_READING):
            self._take_snapshot()
            self._take_periods()

    def rebuild(self) -> None:
        """Rebuild tallies under changed definitions, if there are any; imports come in between."""
        with self._guarded(_WRITING):
            while self._definitions.pending is not None and not self._stopping.is_set():
                with self._working:
                    if not self._stopping.is_set():
                        self._rebuild_portion()

    def drop_old(self) -> None:
        """Drop what is past the retention."""
        with self._guarded(_WRITING):
            with self._working:
                dropped = 0 if self._stopping.is_set() else self._drop_old(self._now())
            if dropped:
                self._log.info("old interactions dropped", interactions=dropped)

    def _drop_old(self, now: datetime) -> int:
        newest = self._store.stats().newest
        trusted = notes.read_time(notes.CLOCK, self._store.note(notes.CLOCK))
        before = cutoff(
            now,
            retention=self.configuration.retention,
            newest=newest,
            last_trusted=trusted,
        )
        if before is None:
            if newest is not None and not self._clock_is_doubted:
                self._clock_is_doubted = True  # logged once, until it is over
                self._log.warning(
                    "nothing is dropped: the clock is far ahead of the data, and waits for imports"
                    " to confirm it",
                    clock=now.isoformat(timespec="seconds"),
                    newest=newest.isoformat(timespec="seconds"),
                    trusted=None if trusted is None else trusted.isoformat(),
                )
            return 0
        self._clock_is_doubted = False
        self._store.remember(notes.CLOCK, now.isoformat())
        return self._store.drop_before(hour_of(before))

    def stop(self) -> None:
        """Start nothing new; what runs ends at its next safe point."""
        self._stopping.set()

    def close(self, patience_seconds: float) -> bool:
        """Close source and store; return whether what ran finished within so many seconds."""
        finished = self._working.acquire(timeout=patience_seconds)
        if finished:
            self._disconnect()
            with self._showing, suppress(StoreError):  # a snapshot under way comes to its end
                self._store.close()
            self._working.release()  # those in line find that there is nothing more to do
        return finished

    # Importing

    def _count_store(self) -> None:
        """Run what an import does beside importing, where there is no source."""
        self._watch_lateness(self.configuration.import_.every)
        self._store.settle()
        self.recorder.store_counted(self._store.stats())
        self._filled = True
        self._worked(_WRITING)

    def _import(self, reconciler: Reconciler) -> None:
        started = self._now()
        self.recorder.import_started(started)
        counted = dict(self.recorder.status.interactions)
        try:
            self._fetch(reconciler, started)
            before = self.recorder.status.last_success
            self._watch_lateness(timedelta() if before is None else started - before)
            self._store.settle()
            self.recorder.both_counted(reconciler.balance(), self._store.stats())
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 -- whatever it is, the import has failed
            self._import_failed(started, error)
            return
        if self._stopping.is_set():
            self.recorder.import_cancelled()
            return
        took = self._now() - started
        self.recorder.source_used(worked=True)
        self.recorder.import_finished(self._now(), took)
        self._filled = True
        self._errors.recovered("import")
        self._worked(_WRITING)
        after = self.recorder.status.interactions
        counts = {result: n - counted[result] for result, n in after.items()}
        self._log.info("import finished", seconds=round(took.total_seconds(), 3), **counts)

    def _fetch(self, reconciler: Reconciler, started: datetime) -> None:
        """Import what is new, then what came late.

        After a pause, what happened in it is seen late, whenever it came: nothing to learn from.
        """
        before = self.recorder.status.last_success
        pause = self.configuration.import_.every * 2
        at_its_pace = before is not None and started - before <= pause
        imported = reconciler.import_all(
            self._definitions.active, started, stopped=self._stopping.is_set
        )
        for progress in imported:
            self.recorder.batch_stored(progress.added, progress.late)
            self.recorder.import_advanced(progress.done)
            self.recorder.store_used(_WRITING, worked=True)
            if at_its_pace:
                self._see_lateness(progress.added, started)

    def _see_lateness(self, added: AddResult, now: datetime) -> None:
        late = late_seconds(added.timestamps_ms, ms_of(now))
        with self._learning:
            self.recorder.lateness_changed(self.recorder.status.lateness.see(late))

    def _watch_lateness(self, length: timedelta) -> None:
        with self._learning:
            lateness = self.recorder.status.lateness.watch(length)
            self.recorder.lateness_changed(lateness)
        self._store.remember(notes.LATENESS, msgspec.json.encode(lateness).decode())

    def _import_failed(self, started: datetime, error: Exception) -> None:
        if self._stopping.is_set():
            self.recorder.import_cancelled()
            return
        if isinstance(error, SourceError):
            self.recorder.source_used(worked=False)
        elif isinstance(error, StoreError):
            self.recorder.store_used(_WRITING, worked=False)
        self.recorder.import_finished(self._now(), self._now() - started, message_of(error))
        self._failed("import", "import failed", error)

    def _replace_store(self) -> None:
        """Open another store in place of a damaged one; until all has come, show what was shown."""
        with suppress(StoreError):
            self._store.close()
        replaced = replace_damaged_store(  # reads a large file first
            self.configuration.store, durable=self.configuration.collect is not None
        )
        self._disconnect()
        with self._adding, self._showing:
            self._store = replaced
            self._connect()
            self._filled = self._is_filled()  # it is, if the file was whole
            self._definitions.use(replaced, self.configuration.definitions)
        self._damaged = False

    # Showing

    def _take_snapshot(self) -> None:
        """Expose the KPIs, once there was a first import."""
        with self._showing:
            if not self._has_kpis():
                return
            windows = self.configuration.windows
            snapshot = take_snapshot(self._store, self._definitions.active, windows, self._now())
            self.exposition.publish(snapshot, self.configuration.milestones)
            since = notes.read_time(notes.EXPOSED_SINCE, self._store.note(notes.EXPOSED_SINCE))
            if since is None or since < OLDEST:  # by a wrong clock
                self._store.remember(notes.EXPOSED_SINCE, snapshot.taken.isoformat())
        self._worked(_READING)

    def _take_periods(self) -> None:
        """Add up the last days; a snapshot that is due meanwhile waits for it."""
        with self._showing:
            if not self._has_kpis():
                return
            self.periods = take_periods(self._store, self._definitions.active, self._now().date())

    def _has_kpis(self) -> bool:
        """Return whether the tallies are there to be read, and to be trusted."""
        return self._filled and self._definitions.readable and not self._stopping.is_set()

    def _rebuild_portion(self) -> None:
        progress = self._definitions.rebuild(self._store)
        self.recorder.rebuilt(progress)
        if progress.finished:
            with self._adding, self._showing:
                self._definitions.activate(self._store)
                self.recorder.store_counted(self._store.stats())
                self._take_snapshot()
                self._take_periods()

    # Errors

    @contextmanager
    def _guarded(self, activity: str) -> Iterator[None]:
        """Log whatever fails, so that the schedule goes on; out of memory, the process ends."""
        try:
            yield
        except MemoryError:
            end_out_of_memory()
        except StoreError as error:
            self._store_failed(activity, error)
        except Exception as error:  # noqa: BLE001 -- logged with its traceback; the schedule goes on
            self._failed("daemon", "unexpected failure", error)
        else:
            self._errors.recovered("daemon")

    def _worked(self, activity: str) -> None:
        self.recorder.store_used(activity, worked=True)
        self._errors.recovered(activity)

    def _store_failed(self, activity: str, error: StoreError) -> None:
        self.recorder.store_used(activity, worked=False)
        self._failed(activity, "store failed", error)

    def _failed(self, activity: str, event: str, error: Exception) -> None:
        self._damaged = self._damaged or isinstance(error, StoreDamagedError)
        self._errors.failed(activity, event, error)
