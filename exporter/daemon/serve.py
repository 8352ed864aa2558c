"""The running exporter: configuration becomes parts, signals end them."""

import gc
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from exporter.clock import now
from exporter.config import Configuration
from exporter.crash import probe_memory
from exporter.daemon.collecting import Collecting
from exporter.daemon.jobs import Jobs
from exporter.daemon.schedule import Schedule
from exporter.daemon.service import Service
from exporter.ports import StoreDamagedError
from exporter.web.server import WebServer
from exporter.wiring import open_store, replace_damaged_store

SWITCH_SECONDS = 0.0005  # so that a scrape does not wait behind an import's threads
STOP_COLLECTING = timedelta(seconds=2)  # how long what was posted is waited for
STOP_WEB = timedelta(seconds=2)  # and then other answers under way
STOP_SECONDS = 5.0  # and after that a running import
EXPOSE_EVERY = timedelta(seconds=5)  # how soon what was collected is on /metrics
REBUILD_EVERY = timedelta(seconds=10)  # how soon changed definitions are noticed
DROP_EVERY = timedelta(hours=6)  # often enough for the clock to be watched
PROBE_SECONDS = 5.0  # how often it is seen whether there is memory


@dataclass(frozen=True, slots=True, kw_only=True)
class WebFlags:
    """What the command line says of the web: where it listens, TLS, and what it lets do."""

    listen: str | None = None
    systemd_socket: bool = False
    config_file: Path | None = None
    lifecycle: bool = False


def serve(
    configuration: Configuration,
    *,
    config_file: Path | None,
    web: WebFlags,
    on_listening: Callable[[str, str], None] = lambda _, __: None,
    schedule: Schedule | None = None,
) -> int:
    """Run the daemon until SIGTERM or SIGINT. Raises `StoreError`, `WebConfigError`, `ListenError`.

    `on_listening` is called with the URL once it is listened on, and with that to post interactions
    to, empty if there is none. `schedule` replaces the real
    clock and its schedule.
    """
    log = structlog.get_logger()
    sys.setswitchinterval(SWITCH_SECONDS)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    schedule = schedule or Schedule(now)
    clock = schedule.now
    jobs = _jobs_on(configuration, clock)

    def apply(new: Configuration) -> None:
        jobs.use(new)
        schedule.every(new.import_.every, "import", jobs.import_now, first=clock())

    service = Service(jobs, config_file=config_file, now=clock, apply=apply)
    signal.signal(
        signal.SIGHUP, lambda *_: threading.Thread(target=service.reload, daemon=True).start()
    )
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})  # blocked since the start
    server = WebServer(
        service,
        listen=web.listen or configuration.listen,
        config_file=web.config_file,
        lifecycle=web.lifecycle,
        systemd_socket=web.systemd_socket,
    )
    collecting = None
    if configuration.collect is not None:
        collecting = Collecting(configuration.collect, jobs, now=clock)
        collecting.start()
        log.info("collecting", url=collecting.url)
        schedule.every(EXPOSE_EVERY, "collected", jobs.expose_collected, first=clock())
    server.start()
    log.info("listening", address=server.address)
    on_listening(server.url, "" if collecting is None else collecting.url)
    schedule.every(configuration.import_.every, "import", jobs.import_now, first=clock())
    schedule.every(REBUILD_EVERY, "rebuild", jobs.rebuild, first=clock())
    schedule.every(DROP_EVERY, "retention", jobs.drop_old, first=clock())
    schedule.hourly("snapshot", jobs.take_snapshot)
    gc.freeze()  # what stays for good is not looked through again: 33 ms, in which nothing answers
    schedule.start()
    while not stopping.wait(PROBE_SECONDS):
        probe_memory()
    log.info("stopping")
    stored = collecting is None or collecting.stop(STOP_COLLECTING)
    jobs.stop()
    schedule.stop()
    server.stop(STOP_WEB)
    if not (stored and jobs.close(STOP_SECONDS)):
        log.info("running import cancelled; what it stored is safe")
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)  # a thread that waits for the source would keep the process
    return 0


def _jobs_on(configuration: Configuration, clock: Callable[[], datetime]) -> Jobs:
    """Open the store and show what it holds; a damaged one is replaced."""
    durable = configuration.collect is not None
    try:
        store = open_store(configuration.store, durable=durable)
        return Jobs(configuration, store, now=clock)
    except StoreDamagedError as error:
        structlog.get_logger().error("store failed", error=str(error))
        store = replace_damaged_store(configuration.store, durable=durable)
        return Jobs(configuration, store, now=clock)
