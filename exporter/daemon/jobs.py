"""The daemon's work: import, recount, drop what is old, take snapshots; told by the schedule."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

import msgspec
import structlog

from exporter.config import Configuration
from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.definitions import Definitions
from exporter.domain.lateness import Lateness, late_seconds
from exporter.domain.windows import hour_of, ms_of
from exporter.ingest.importer import Importer
from exporter.ingest.reconciler import Reconciler
from exporter.metrics.exposition import Exposition
from exporter.metrics.snapshot import take_snapshot
from exporter.metrics.status import StatusRecorder
from exporter.ports import Source, SourceError, Store, StoreDamagedError, StoreError
from exporter.wiring import open_source, replace_damaged_store

EXPOSED_SINCE = "exposed_since"  # the note of when KPIs were first exposed from a store
MOST_SAID = 20  # different problems, one after the other, before it is quiet about more
_LATENESS = "lateness"  # the note of how late interactions were
_READING, _WRITING = "reading the store", "writing to the store"


class Jobs:
    """Does what the daemon does, one thing at a time, and says in the log what went wrong, once.

    `now` reads the clock. Each piece of work may be called from any thread, and raises nothing
    but what is unforeseen.
    """

    def __init__(
        self, configuration: Configuration, store: Store, *, now: Callable[[], datetime]
    ) -> None:
        """Show what the store holds already. Raises `StoreError`."""
        self._log = structlog.get_logger()
        self._now = now
        self._store = store
        self._journal = StatusRecorder()
        self._exposition = Exposition(lambda: self._journal.status, lambda: self.digest)
        self._working = threading.Lock()  # one import, portion of a recount or clean-up at a time
        self._showing = threading.RLock()  # definitions in force and snapshot go together
        self._stopping = threading.Event()
        self._said: dict[str, set[str]] = {}
        self._damaged = False  # whether the store was found to be
        self._pending: Evaluator | None = None
        self._use(configuration)
        self._filled = self._importer.position() is not None  # by an import, if only with nothing
        self._evaluator = Evaluator(configuration.definitions)
        self._count_under(self._evaluator)
        self._journal.came(_remembered_lateness(store))
        self._journal.store_used(_READING, worked=True)
        self._journal.held(store.stats())
        self._take_snapshot()

    def _use(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self._source: Source = open_source(configuration.data_server)
        settings = configuration.import_
        self._importer = Importer(self._source, self._store, history=settings.history)
        self._reconciler = Reconciler(
            self._importer,
            self._source,
            self._store,
            history=settings.history,
            retention=configuration.retention,
            sweeps=settings.sweeps,
        )

    def use(self, configuration: Configuration) -> None:
        """Go on with another configuration from the next import on; a running one ends as it is."""
        self._use(configuration)

    # What there is to see

    @property
    def recorder(self) -> StatusRecorder:
        """What the exporter knows of its own work."""
        return self._journal

    @property
    def exposition(self) -> Exposition:
        """The last snapshot, ready to be scraped."""
        return self._exposition

    @property
    def digest(self) -> str:
        """Names the definitions that the exposed KPIs are counted by."""
        return self._evaluator.digest

    @property
    def error(self) -> str:
        """What is wrong at the moment, empty if nothing is."""
        said = (*self._said.get(_READING, ()), *self._said.get(_WRITING, ()))
        return self._journal.status.last_error or ", ".join(said)

    @contextmanager
    def reading(self) -> Iterator[tuple[Store, Evaluator]]:
        """Read the store under the definitions in force, which stay so meanwhile."""
        with self._showing:
            yield self._store, self._evaluator

    # What there is to do

    def import_now(self) -> None:
        """Import, and expose what has come."""
        with self._guarded(_WRITING), self._working:
            if self._stopping.is_set():
                return
            if self._damaged:
                self._begin_anew()
            self._count_under_the_configured()
            self._import()
        self.take_snapshot()

    def take_snapshot(self) -> None:
        """Expose the KPIs of this instant: windows move even when nothing comes."""
        with self._guarded(_READING):
            self._take_snapshot()

    def rebuild(self) -> None:
        """RebuildProgress under changed definitions, if there are any; imports come in between."""
        with self._guarded(_WRITING):
            while self._pending is not None and not self._stopping.is_set():
                with self._working:
                    self._rebuild_portion(self._pending)

    def drop_old(self) -> None:
        """Drop what is past the retention."""
        with self._guarded(_WRITING):
            with self._working:
                cutoff = hour_of(self._now() - self.configuration.retention)
                dropped = self._store.drop_before(cutoff)
            if dropped:
                self._log.info("old interactions dropped", interactions=dropped)

    def stop(self) -> None:
        """Begin nothing new; what runs ends at its next safe point."""
        self._stopping.set()

    def close(self, patience_seconds: float) -> bool:
        """Let go of source and store; say whether what ran ended within so many seconds."""
        finished = self._working.acquire(timeout=patience_seconds)
        if finished:
            self._source.close()
            with self._showing, suppress(StoreError):  # a snapshot under way comes to its end
                self._store.close()
        return finished

    # Importing

    def _import(self) -> None:
        began = self._now()
        self._journal.import_began(began)
        before = dict(self._journal.status.interactions)
        try:
            self._fetch(began)
            self._remember_lateness(began)
            self._journal.counted(self._reconciler.balance(), self._store.stats())
        except Exception as error:  # noqa: BLE001 -- whatever it is, the import has failed
            self._import_failed(began, error)
            return
        if self._stopping.is_set():
            self._journal.import_abandoned()
            return
        took = self._now() - began
        self._journal.source_used(worked=True)
        self._journal.store_used(_WRITING, worked=True)
        self._journal.import_ended(self._now(), took)
        self._filled = True
        self._recovered("import", _WRITING)
        after = self._journal.status.interactions
        counts = {result: n - before[result] for result, n in after.items()}
        self._log.info("import finished", seconds=round(took.total_seconds(), 3), **counts)

    def _fetch(self, began: datetime) -> None:
        """Import what is new, then what came late.

        After a pause, what happened in it is seen late, whenever it came: nothing to learn from.
        """
        before = self._journal.status.last_success
        pause = self.configuration.import_.every * 2
        at_its_pace = before is not None and began - before <= pause
        imported = self._reconciler.import_all(
            self._evaluator, began, stopped=self._stopping.is_set
        )
        for progress in imported:
            self._journal.stored(progress.added, progress.late)
            self._journal.store_used(_WRITING, worked=True)
            if at_its_pace:
                late = late_seconds(progress.added.timestamps_ms, ms_of(began))
                self._journal.came(self._journal.status.lateness.see(late))

    def _remember_lateness(self, began: datetime) -> None:
        before = self._journal.status.last_success
        lateness = self._journal.status.lateness
        if before is not None:
            lateness = lateness.watch(began - before)
        self._journal.came(lateness)
        self._store.remember(_LATENESS, msgspec.json.encode(lateness).decode())

    def _import_failed(self, began: datetime, error: Exception) -> None:
        if self._stopping.is_set():
            self._journal.import_abandoned()
            return
        if isinstance(error, SourceError):
            self._journal.source_used(worked=False)
        elif isinstance(error, StoreError):
            self._journal.store_used(_WRITING, worked=False)
        self._journal.import_ended(self._now(), self._now() - began, _in_words(error))
        self._failed("import", "import failed", error)

    def _begin_anew(self) -> None:
        """Have another store in place of a damaged one; until all has come, show what was shown."""
        with suppress(StoreError):
            self._store.close()
        renewed = replace_damaged_store(
            self.configuration.store
        )  # which looks through a large file first
        with self._showing:
            self._store = renewed
            self._use(self.configuration)
            self._filled = self._importer.position() is not None  # it is, if the file was whole
            self._count_under(Evaluator(self.configuration.definitions))
        self._damaged = False

    # Showing

    def _take_snapshot(self) -> None:
        """Expose the KPIs, once there was a first import."""
        with self._showing:
            if self._stopping.is_set() or not self._filled:
                return
            windows = self.configuration.windows
            snapshot = take_snapshot(self._store, self._evaluator, windows, self._now())
            self._exposition.publish(snapshot, self.configuration.milestones)
            if self._store.note(EXPOSED_SINCE) is None:
                self._store.remember(EXPOSED_SINCE, snapshot.taken.isoformat())
        self._journal.store_used(_READING, worked=True)
        self._recovered(_READING)

    # Definitions

    def _count_under_the_configured(self) -> None:
        wanted = Evaluator(self.configuration.definitions)
        if wanted.digest != (self._pending or self._evaluator).digest:
            self._count_under(wanted)

    def _count_under(self, wanted: Evaluator) -> None:
        """Count under these definitions; until all is recounted, show the old ones."""
        held = self._store.active_definitions()
        with self._showing:
            if held is None or held == wanted.definitions.to_json():
                self._store.use_definitions(wanted)
                self._evaluator, self._pending = wanted, None
                return
            before = Evaluator(Definitions.from_json(held))
            self._store.use_definitions(before, wanted)
            self._evaluator, self._pending = before, wanted
        self._log.info("definitions changed, recounting", before=before.digest, after=wanted.digest)

    def _rebuild_portion(self, pending: Evaluator) -> None:
        state = self._store.rebuild()
        self._journal.rebuilt(state)
        self._log.debug("recounting", done=state.done, total=state.total)
        if state.finished:
            with self._showing:
                self._store.activate()
                self._evaluator, self._pending = pending, None
                self._take_snapshot()
            self._log.info("definitions in force", definitions=self.digest)

    # Saying what is wrong, once

    @contextmanager
    def _guarded(self, use: str) -> Iterator[None]:
        """Let no failure of the work pass unsaid, nor end the schedule; `use` is what it does."""
        try:
            yield
        except StoreError as error:
            self._journal.store_used(use, worked=False)
            self._failed(use, "store failed", error)
        except Exception as error:  # noqa: BLE001 -- logged with its traceback; the schedule goes on
            self._failed("daemon", "unexpected failure", error)
        else:
            self._recovered("daemon")

    def _failed(self, what: str, event: str, error: Exception) -> None:
        """Log an error, the same words once until it works again."""
        self._damaged = self._damaged or isinstance(error, StoreDamagedError)
        text = _in_words(error)
        said = self._said.setdefault(what, set())
        known = any(text in texts for texts in list(self._said.values()))
        if not known and len(said) < MOST_SAID:
            said.add(text)
            foreseen = isinstance(error, SourceError | StoreError | MemoryError)
            self._log.error(event, error=text, exc_info=None if foreseen else error)

    def _recovered(self, *what: str) -> None:
        for one in what:
            if self._said.pop(one, None):
                self._log.info(f"{one} works again")


def _remembered_lateness(store: Store) -> Lateness:
    text = store.note(_LATENESS)
    return Lateness() if text is None else msgspec.json.decode(text, type=Lateness)


def _in_words(error: Exception) -> str:
    """Say it on one line; a lack of memory comes from Python without any words."""
    if isinstance(error, MemoryError):
        return "out of memory; if this does not pass, allow the process more"
    return str(error) or type(error).__name__
