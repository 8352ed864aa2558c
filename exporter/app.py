"""The running exporter: configuration becomes parts; clock, signals and reload are here."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec
import structlog

from exporter.config import Configuration, ConfigurationError, load
from exporter.domain.counting import Counting
from exporter.domain.definitions import Definitions
from exporter.domain.lateness import Lateness, late_seconds
from exporter.domain.reports import milestones, segmentations
from exporter.domain.windows import hour_of, ms_of
from exporter.exposition import Exposition
from exporter.front import front_page
from exporter.importer import Importer
from exporter.operations import Journal
from exporter.ports import SourceError, Store, StoreError
from exporter.reading import FIRST_DAY, LAST_DAY, read_report
from exporter.reconciler import Reconciler
from exporter.schedule import Schedule
from exporter.snapshot import take_snapshot
from exporter.web.board import Body
from exporter.web.page import Page
from exporter.web.server import WebServer
from exporter.wiring import open_source, open_store

_LATENESS = "lateness"  # the name under which the store remembers it
SWITCH_SECONDS = 0.0005  # so that a scrape does not wait behind an import's threads
STOP_WEB = timedelta(seconds=3)  # how long answers under way are waited for
STOP_SECONDS = 5.0  # and after that a running import
EXPOSED_SINCE = "exposed_since"  # the note of when KPIs were first exposed from a store


def now() -> datetime:
    """Read the clock; the only place that does."""
    return datetime.now(UTC)


class Exporter:
    """The daemon's parts, wired. Implements the web's `Board`."""

    def __init__(self, configuration: Configuration, *, config_file: Path | None) -> None:
        self._log = structlog.get_logger()
        self._configuration = configuration
        self._config_file = config_file
        self._counting = Counting(configuration.definitions)
        self._pending: Counting | None = None
        self._counted = False  # whether the store was told what to count under
        self._journal = Journal()
        self._journal.reloaded(now(), successful=True)
        self._exposition = Exposition(lambda: self._journal.operations, lambda: self._digest)
        self._source = open_source(configuration.data_server)
        self._store: Store | None = None
        self._importer: Importer | None = None
        self._reconciler: Reconciler | None = None
        self._schedule = Schedule()
        self._working = threading.Lock()  # one import, recount or clean-up at a time
        self._showing = threading.RLock()  # definitions in force and snapshot go together
        self._reloading = threading.Lock()
        self._stopping = threading.Event()
        self._said: dict[str, str] = {}

    @property
    def _digest(self) -> str:
        return self._counting.digest

    # Running

    def open(self) -> None:
        """Open the store and show what it holds already. Raises `StoreError`."""
        store = open_store(self._configuration.store)
        self._store = store
        self._set_up_import(store)
        self._journal.came(_remembered_lateness(store))
        self._use_definitions(store)
        self._journal.store_used(worked=True)
        self._journal.held(store.holdings())
        self._take_snapshot()

    def _set_up_import(self, store: Store) -> None:
        settings = self._configuration.import_
        self._importer = Importer(self._source, store, history=settings.history)
        self._reconciler = Reconciler(
            self._importer,
            self._source,
            store,
            history=settings.history,
            retention=self._configuration.retention,
            sweeps=settings.sweeps,
        )

    def _schedule_import(self) -> None:
        self._schedule.every(
            self._configuration.import_.every, "import", self._guarded(self._import), first=now()
        )

    def start(self) -> None:
        """Begin to import, on schedule."""
        self._schedule_import()
        self._schedule.hourly("snapshot", self._guarded(self._snapshot_of_the_hour))
        self._schedule.every(
            timedelta(days=1), "retention", self._guarded(self._drop_old), first=now()
        )
        self._schedule.start()

    def begin_to_stop(self) -> None:
        """Begin nothing new; a running import ends at its next safe point."""
        self._stopping.set()
        self._schedule.stop()

    def stop(self) -> bool:
        """Let go of source and store; say whether everything under way ended in time."""
        finished = self._working.acquire(timeout=STOP_SECONDS)
        if finished:
            self._source.close()
            if self._store is not None:
                with suppress(StoreError):
                    self._store.close()
        return finished

    def _guarded(self, work: Callable[[], None]) -> Callable[[], None]:
        """Let no failure of scheduled work pass unsaid, nor end the schedule."""

        def guarded() -> None:
            try:
                work()
            except StoreError as problem:
                self._store_failed(problem)
            except Exception:  # noqa: BLE001 -- said with its traceback; the schedule goes on
                self._log.exception("unexpected failure", work=work.__name__)

        return guarded

    def _opened(self) -> Store:
        """Give the store; open it if it could not be opened before. Raises `StoreError`."""
        if self._store is None:
            self.open()
        if self._store is None:
            raise StoreError("the store is not open")
        return self._store

    def _import(self) -> None:
        with self._working:
            if self._stopping.is_set():
                return
            store = self._opened()
            self._use_definitions(store)
            self._run_import(store)
        self._take_snapshot()
        self._recount()

    def _run_import(self, store: Store) -> None:
        if self._reconciler is None:
            return
        began = now()
        self._journal.import_began(began)
        before = dict(self._journal.operations.interactions)
        try:
            self._fetch(self._reconciler, began)
            self._remember_lateness(store, began)
            self._journal.counted(self._reconciler.balance(), store.holdings())
        except SourceError as problem:
            if self._stopping.is_set():
                return
            self._journal.source_used(worked=False)
            self._import_failed(began, problem)
        except StoreError as problem:
            self._store_failed(problem)
            self._import_failed(began, problem)
        else:
            if self._stopping.is_set():
                self._journal.import_abandoned()
                return
            took = now() - began
            self._journal.source_used(worked=True)
            self._journal.import_ended(now(), took)
            self._recovered("import")
            after = self._journal.operations.interactions
            counts = {result: n - before[result] for result, n in after.items()}
            self._log.info("import finished", seconds=round(took.total_seconds(), 3), **counts)

    def _fetch(self, reconciler: Reconciler, began: datetime) -> None:
        """Import what is new, then what came late.

        After a pause, what happened in it is seen late, whenever it came: nothing to learn from.
        """
        before = self._journal.operations.last_success
        pause = self._configuration.import_.every * 2
        at_its_pace = before is not None and began - before <= pause
        for progress in reconciler.import_all(self._counting, began, stopped=self._stopping.is_set):
            self._journal.stored(progress.added, progress.late)
            if at_its_pace:
                late = late_seconds(progress.added.timestamps_ms, ms_of(began))
                self._journal.came(self._journal.operations.lateness.see(late))

    def _remember_lateness(self, store: Store, began: datetime) -> None:
        before = self._journal.operations.last_success
        lateness = self._journal.operations.lateness
        if before is not None:
            lateness = lateness.watch(began - before)
        self._journal.came(lateness)
        store.remember(_LATENESS, msgspec.json.encode(lateness).decode())

    def _import_failed(self, began: datetime, problem: Exception) -> None:
        self._journal.import_ended(now(), now() - began, str(problem))
        self._failed("import", "import failed", problem)

    def _snapshot_of_the_hour(self) -> None:
        if self._exposition.snapshot is not None:
            self._take_snapshot()

    def _take_snapshot(self) -> None:
        store = self._opened()
        with self._showing:
            if self._importer is None or self._importer.position() is None:
                return
            snapshot = take_snapshot(store, self._counting, self._configuration.windows, now())
            self._exposition.publish(snapshot, self._configuration.milestones)
        if store.note(EXPOSED_SINCE) is None:
            store.remember(EXPOSED_SINCE, snapshot.taken.isoformat())
        self._journal.store_used(worked=True)
        self._recovered("store")

    def _drop_old(self) -> None:
        with self._working:
            cutoff = hour_of(now() - self._configuration.retention)
            dropped = self._opened().drop_before(cutoff)
        if dropped:
            self._log.info("old interactions dropped", interactions=dropped)

    # Definitions

    def _use_definitions(self, store: Store) -> None:
        """Count under the configured definitions; until they are recounted, show the old ones."""
        wanted = Counting(self._configuration.definitions)
        if wanted.digest == (self._pending or self._counting).digest and self._counted:
            return
        held = store.definitions_in_force()
        with self._showing:
            self._counted = True
            if held is None or held == wanted.definitions.to_json():
                store.count_under(wanted)
                self._counting, self._pending = wanted, None
                return
            before = Counting(Definitions.from_json(held))
            store.count_under(before, wanted)
            self._counting, self._pending = before, wanted
        self._log.info("definitions changed, recounting", before=before.digest, after=wanted.digest)

    def _recount(self) -> None:
        while self._pending is not None and not self._stopping.is_set():
            with self._working:
                store = self._opened()
                state = store.recount()
                self._journal.recounted(state)
                if not state.finished:
                    continue
                with self._showing:
                    store.put_in_force()
                    self._counting, self._pending = self._pending, None
                self._log.info("definitions in force", definitions=self._digest)
            self._take_snapshot()

    # Saying what is wrong, once

    def _failed(self, what: str, event: str, problem: Exception) -> None:
        text = str(problem)
        if self._said.get(what) != text:
            self._said[what] = text
            self._log.error(event, problem=text)

    def _recovered(self, what: str) -> None:
        if self._said.pop(what, None):
            self._log.info(f"{what} works again")

    def _store_failed(self, problem: StoreError) -> None:
        self._journal.store_used(worked=False)
        self._failed("store", "store failed", problem)

    # Board

    def metrics(self, *, accept: str, gzip: bool, names: Sequence[str]) -> Body:
        """See `Board`."""
        scrape = self._exposition.scrape(accept=accept, compress=gzip, names=names)
        return Body(
            content_type=scrape.content_type, encoding=scrape.encoding, content=scrape.content
        )

    def unready(self) -> str | None:
        """See `Board`."""
        if self._exposition.snapshot is not None:
            return None
        problem = self._journal.operations.last_problem or self._said.get("store", "")
        if problem:
            return f"no KPIs yet: {problem}"
        return "no KPIs yet: the first import is not finished"

    def report(
        self, name: str, *, start: float | None, end: float | None, segmentation: str | None
    ) -> object:
        """See `Board`."""
        if name == "segmentations":
            return segmentations(self._counting.definitions)
        if name == "milestones":
            return milestones(self._configuration.milestones)
        with self._showing:
            return read_report(
                self._opened(),
                self._counting,
                name,
                first=_day(start),
                last=_day(end),
                segmentation=segmentation,
            )

    def page(self) -> Page:
        """See `Board`."""
        return front_page(
            at=now(),
            snapshot=self._exposition.snapshot,
            unready=self.unready(),
            operations=self._journal.operations,
            milestones=self._configuration.milestones,
            digest=self._digest,
        )

    def reload(self) -> Sequence[str]:
        """See `Board`: validate everything first, then apply it as a whole."""
        with self._reloading:
            problems = self._reload()
            self._journal.reloaded(now(), successful=not problems)
        if problems:
            self._log.error("configuration not reloaded", problems=list(problems))
        else:
            self._log.info("configuration reloaded")
        return problems

    def _reload(self) -> Sequence[str]:
        if self._config_file is None:
            return ("there is no configuration file to read again",)
        try:
            wanted = load(self._config_file, os.environ)
        except ConfigurationError as problem:
            return problem.problems
        fixed = (
            ("store", wanted.store, self._configuration.store),
            ("web.listen", wanted.listen, self._configuration.listen),
        )
        problems = [f"{name}: a change needs a restart" for name, a, b in fixed if a != b]
        if not problems:
            self._apply(wanted)
        return problems

    def _apply(self, wanted: Configuration) -> None:
        """Go on with another configuration; a running import ends as it began."""
        self._configuration = wanted
        self._source = open_source(wanted.data_server)
        if self._store is not None:
            self._set_up_import(self._store)
        self._schedule_import()


def _remembered_lateness(store: Store) -> Lateness:
    text = store.note(_LATENESS)
    return Lateness() if text is None else msgspec.json.decode(text, type=Lateness)


def _day(seconds: float | None) -> date | None:
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, tz=UTC).date()
    except (OverflowError, OSError, ValueError):
        return LAST_DAY if seconds > 0 else FIRST_DAY


def serve(
    configuration: Configuration,
    *,
    config_file: Path | None,
    listen: str | None,
    web_config: Path | None,
    lifecycle: bool,
    told: Callable[[str], None] = lambda _: None,
) -> int:
    """Run the daemon until SIGTERM or SIGINT. Raises `StoreError`, `WebConfigError`, `ListenError`.

    `told` is given the URL once it is listened on.
    """
    log = structlog.get_logger()
    sys.setswitchinterval(SWITCH_SECONDS)
    exporter = Exporter(configuration, config_file=config_file)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    signal.signal(
        signal.SIGHUP, lambda *_: threading.Thread(target=exporter.reload, daemon=True).start()
    )
    exporter.open()
    server = WebServer(
        exporter,
        listen=listen or configuration.listen,
        config_file=web_config,
        lifecycle=lifecycle,
    )
    server.start()
    log.info("listening", address=server.address)
    told(server.url)
    exporter.start()
    stopping.wait()
    log.info("stopping")
    exporter.begin_to_stop()
    server.stop(STOP_WEB)
    if not exporter.stop():
        log.info("running import abandoned; what it stored is safe")
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)  # a thread that waits for the source would keep the process
    return 0
