"""An application whose answers a test sets, and a real server that shows it."""

import gzip as compression
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from exporter.domain.reports import InvalidSegmentation, UnknownReport
from exporter.metrics.exposition import Response
from exporter.web.application import Application
from exporter.web.page.model import Page
from exporter.web.server import Limits, WebServer
from testing.waiting import WAIT_SECONDS
from tests.web.pages import a_page


class FakeApplication:
    """An application whose answers a test sets, and which remembers what it was asked."""

    def __init__(self) -> None:
        self.text = b"kpi_sign_in_attempts 1\n"
        self.reason: str | None = None
        self.shown: Page = a_page()
        self.answers: dict[str, object] = {"sites": {"Total": []}}
        self.errors: Sequence[str] = ()
        self.asked: list[tuple[object, ...]] = []
        self.hold = threading.Event()  # reports, selections and periods wait for it
        self.hold.set()
        self.broken: Exception | None = None

    def metrics(self, *, accept: str, gzip: bool, names: Sequence[str]) -> Response:
        self.asked.append(("metrics", accept, gzip, list(names)))
        if names:
            self.hold.wait(timeout=WAIT_SECONDS)
        if self.broken:
            raise self.broken
        return Response(
            content_type="text/plain; version=0.0.4; charset=utf-8",
            encoding="gzip" if gzip else "",
            content=compression.compress(self.text) if gzip else self.text,
        )

    def unready(self) -> str | None:
        return self.reason

    def report(
        self, name: str, *, start: float | None, end: float | None, segmentation: str | None
    ) -> object:
        self.asked.append((name, start, end, segmentation))
        self.hold.wait(timeout=WAIT_SECONDS)
        if self.broken:
            raise self.broken
        if segmentation == "Nothing":
            raise InvalidSegmentation(segmentation)
        try:
            return self.answers[name]
        except KeyError:
            raise UnknownReport(name) from None

    def page(self, *, days: int | None = None, segmentation: str | None = None) -> Page:
        self.asked.append(("page", days, segmentation))
        if days or segmentation:
            self.hold.wait(timeout=WAIT_SECONDS)
        if self.broken:
            raise self.broken
        if segmentation == "Nothing":
            raise InvalidSegmentation(segmentation)
        return self.shown

    def reload(self) -> Sequence[str]:
        self.asked.append(("reload",))
        return self.errors


class Serve(Protocol):
    """Starts a server on a free port; it is stopped when the test ends."""

    def __call__(
        self,
        *,
        listen: str = "127.0.0.1:0",
        config_file: Path | None = None,
        lifecycle: bool = False,
        limits: Limits | None = None,
    ) -> WebServer: ...


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[EventDict]]:
    """What is logged during the test."""
    with capture_logs() as logs:
        yield logs


@pytest.fixture
def application() -> FakeApplication:
    return FakeApplication()


@pytest.fixture
def serve(application: Application) -> Iterator[Serve]:
    with ExitStack() as servers:

        def start(
            *,
            listen: str = "127.0.0.1:0",
            config_file: Path | None = None,
            lifecycle: bool = False,
            limits: Limits | None = None,
        ) -> WebServer:
            server = WebServer(
                application,
                listen=listen,
                config_file=config_file,
                lifecycle=lifecycle,
                limits=limits or Limits(),
            )
            server.start()
            servers.callback(server.stop, timedelta(seconds=1))
            return server

        yield start
