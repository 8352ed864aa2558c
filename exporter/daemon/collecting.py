"""Collecting in the daemon: what the socket for interactions asks for, stored by one thread."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import datetime, timedelta

from typing_extensions import override

from exporter.config import CollectSection
from exporter.daemon.jobs import Jobs
from exporter.domain.interaction import Row
from exporter.ingest.collector import Collector
from exporter.web.collect import CollectServer
from exporter.web.collect.routes import CollectApplication

STORE_SHARE = 0.5  # of the time to stop in, for the store; the rest is for answers under way


class Collecting(CollectApplication):
    """The socket and the thread behind it; the web's `CollectApplication`.

    Reads the web configuration, so that it raises `WebConfigError` when made.
    """

    def __init__(
        self, settings: CollectSection, jobs: Jobs, *, now: Callable[[], datetime]
    ) -> None:
        self._jobs = jobs
        self._collector = Collector(jobs.adding, now=now, on_added=jobs.added)
        self._server = CollectServer(
            self,
            listen=settings.listen,
            path=settings.path,
            allow_origins=settings.allow_origins,
            max_body=settings.max_body,
            max_rate=settings.max_rate,
            config_file=settings.web_config_file,
        )
        self._path = settings.path

    def start(self) -> None:
        """Start to take interactions. Raises `ListenError`."""
        self._collector.start()
        self._server.start()

    def stop(self, patience: timedelta) -> bool:
        """Stop taking interactions; return whether what was taken is answered and stored."""
        self._server.stop(patience * (1 - STORE_SHARE))
        return self._collector.stop(patience * STORE_SHARE)

    @property
    def url(self) -> str:
        """Where interactions are posted to on this machine."""
        return self._server.url.removesuffix("/") + self._path

    @override
    def submit(self, rows: Sequence[Row]) -> Future[None]:
        return self._collector.submit(rows)

    @override
    def answered(self, status: int, seconds: float | None) -> None:
        self._jobs.collected.answered(status, seconds)
