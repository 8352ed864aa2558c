"""The listening side of collecting: its own socket, its own limits."""

import os
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from tornado import web

from exporter.web.collect.rate import Rate
from exporter.web.collect.routes import MOST_READ_BYTES, CollectApplication, Site, application
from exporter.web.file_descriptors import Listener
from exporter.web.server import HttpServer, Limits

LIMITS = Limits(connections=1024, idle=timedelta(seconds=30), answer=timedelta(seconds=60))


SOCKET = "collect"
_FIRST_INHERITED = 3  # after standard input, output and error: sd_listen_fds(3)


def inherited(name: str, environ: Mapping[str, str]) -> Listener | None:
    """Return the socket that systemd opened under this name; None if it did not.

    While the exporter restarts, connections wait in it instead of being refused.
    """
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    if environ.get("LISTEN_PID") != str(os.getpid()) or name not in names:
        return None
    listener = Listener(fileno=_FIRST_INHERITED + names.index(name))
    listener.settimeout(0)
    return listener


class CollectServer(HttpServer):
    """Takes interactions for an application.

    `max_body` is in bytes, `max_rate` in interactions a second.
    """

    def __init__(
        self,
        application: CollectApplication,
        *,
        listen: str,
        path: str,
        allow_origins: Collection[str] = (),
        max_body: int,
        max_rate: int,
        config_file: Path | None = None,
    ) -> None:
        limits = replace(LIMITS, body_bytes=max(max_body, MOST_READ_BYTES))
        super().__init__("collect", listen=listen, config_file=config_file, limits=limits)
        self._site = Site(
            application=application,
            access=self._access,
            headers=lambda: self._config.headers,
            allow_origins=frozenset(allow_origins),
            max_body=max_body,
            rate=Rate(max_rate),
            path=path,
        )

    def _listener(self) -> Listener:
        return inherited(SOCKET, os.environ) or super()._listener()

    def _application(self) -> web.Application:
        return application(self._site)
