"""The listening side: sockets, limits, and a thread with an event loop of its own."""

import asyncio
import os
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from tornado import web
from typing_extensions import override

from exporter.addresses import ListenError
from exporter.web.application import Application
from exporter.web.auth import Authenticator
from exporter.web.config_watcher import ConfigWatcher
from exporter.web.connections import Connections
from exporter.web.executor import BoundedExecutor, QueueFull
from exporter.web.file_descriptors import Listener, allowed_connections
from exporter.web.rate import Rate
from exporter.web.routes import Site, application
from exporter.web.sockets import bind, inherited, written
from exporter.web.web_config import WebConfig

_LOCAL = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 -- looked up, not bound to


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one client, or all of them together, may take.

    `idle` is the time for a whole request to arrive, or for the next one on a connection that
    is kept; `answer` that for an answer to be made and taken. A report that takes longer than
    `report` is answered 503. `config_look` lies between two looks at the web configuration.
    """

    connections: int = 512
    idle: timedelta = timedelta(seconds=90)
    answer: timedelta = timedelta(seconds=120)
    report: timedelta = timedelta(seconds=60)
    header_bytes: int = 64 * 1024
    body_bytes: int = 64 * 1024
    reports_at_once: int = 4
    reports_waiting: int = 16
    selections_waiting: int = 16
    logins_at_once: int = 2
    logins_waiting: int = 256
    config_look: timedelta = timedelta(seconds=1)


_LIMITS = Limits()


class HttpServer:
    """Serves routes over HTTP, or HTTPS, from a thread of its own.

    Reads `config_file`, so that it raises `WebConfigError` when made. An instance serves once.
    """

    def __init__(self, name: str, *, listen: str, config_file: Path | None, limits: Limits) -> None:
        self._name = name
        self._listen = listen
        self._limits = limits
        self._watch = None if config_file is None else ConfigWatcher(config_file)
        self._logins = BoundedExecutor(
            f"{name} login", threads=limits.logins_at_once, waiting=limits.logins_waiting
        )
        self._control = BoundedExecutor(f"{name} control", threads=1, waiting=4)
        self._access = Authenticator(self._logins)
        self._rate: Rate | None = None
        self._address = ""
        self._thread: threading.Thread | None = None
        self._stopping: Future[timedelta] = Future()

    def _application(self) -> web.Application:
        """Return the routes."""
        raise NotImplementedError

    def _workers(self) -> tuple[BoundedExecutor, ...]:
        """Return the threads that the routes use."""
        return (self._logins, self._control)

    def _listeners(self) -> Sequence[Listener]:
        """Return the sockets to take connections from. Raises `ListenError`."""
        return [bind(self._listen)]

    def start(self) -> None:
        """Listen and serve; returns once connections are taken. Raises `ListenError`."""
        listeners = self._listeners()
        self._address = written(listeners[0])
        listening: Future[None] = Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(listeners, listening)),
            name=self._name,
            daemon=True,
        )
        self._thread.start()
        listening.result()

    def stop(self, patience: timedelta = timedelta(seconds=5)) -> None:
        """Refuse more requests, finish those under way within `patience`, and close."""
        if self._thread is None or self._stopping.done():
            return
        self._stopping.set_result(patience)
        self._thread.join()

    @property
    def address(self) -> str:
        """The `host:port` that is listened on, once started; port 0 has become a real one."""
        return self._address

    @property
    def url(self) -> str:
        """An address to open in a browser on this machine."""
        host, _, port = self._address.rpartition(":")
        scheme = "http" if self._config.tls is None else "https"
        return f"{scheme}://{_LOCAL.get(host, host)}:{port}/"

    async def _serve(self, listeners: Sequence[Listener], listening: Future[None]) -> None:
        for workers in self._workers():
            workers.start()
        connections = Connections(
            self._application(),
            connections=allowed_connections(self._limits.connections),
            answer=self._limits.answer,
            idle_connection_timeout=self._limits.idle.total_seconds(),
            body_timeout=self._limits.idle.total_seconds(),
            max_header_size=self._limits.header_bytes,
            max_body_size=self._limits.body_bytes,
        )
        self._apply(connections)
        for listener in listeners:
            connections.accept_from(listener)
        listening.set_result(None)
        looking = asyncio.create_task(self._look(connections))
        await connections.drain(await asyncio.wrap_future(self._stopping))
        looking.cancel()
        for workers in self._workers():
            workers.stop()

    @property
    def _config(self) -> WebConfig:
        return self._watch.config if self._watch else WebConfig()

    def _apply(self, connections: Connections) -> None:
        """Apply the configuration to new connections; those that stand are not dropped."""
        connections.ssl_options = self._config.tls  # tornado reads it for each new connection
        connections.client_names = self._config.client_names
        self._access.set_users(self._config.users)
        limit = self._config.rate_limit
        if limit is None:
            self._rate = None
        elif self._rate is None or self._rate.limit != limit:
            self._rate = Rate(limit)

    async def _look(self, connections: Connections) -> None:
        while self._watch:
            await asyncio.sleep(self._limits.config_look.total_seconds())
            with suppress(QueueFull):  # a reload is under way: next time
                if await self._control.run(self._watch.poll):
                    self._apply(connections)


class WebServer(HttpServer):
    """Serves the application: metrics, reports, the page."""

    def __init__(
        self,
        application: Application,
        *,
        listen: str = "127.0.0.1:3434",
        config_file: Path | None = None,
        lifecycle: bool = False,
        systemd_socket: bool = False,
        limits: Limits = _LIMITS,
    ) -> None:
        super().__init__("web", listen=listen, config_file=config_file, limits=limits)
        self._systemd_socket = systemd_socket
        self._reports = BoundedExecutor(
            "report", threads=limits.reports_at_once, waiting=limits.reports_waiting
        )
        self._selections = BoundedExecutor(
            "selection", threads=1, waiting=limits.selections_waiting
        )
        self._site = Site(
            application=application,
            access=self._access,
            rate=lambda: self._rate,
            headers=lambda: self._config.headers,
            reports=self._reports,
            selections=self._selections,
            control=self._control,
            patience=limits.report,
            lifecycle=lifecycle,
        )

    @override
    def _listeners(self) -> Sequence[Listener]:
        if not self._systemd_socket:
            return super()._listeners()
        if listeners := inherited(os.environ, collect=False):
            return listeners
        raise ListenError(
            "--web.systemd-socket: systemd passed no socket; start the service by a .socket unit"
        )

    def _application(self) -> web.Application:
        return application(self._site)

    def _workers(self) -> tuple[BoundedExecutor, ...]:
        return (*super()._workers(), self._reports, self._selections)
