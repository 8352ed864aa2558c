"""The listening side of collecting: its own socket, its own limits."""

import os
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from tornado import web
from typing_extensions import override

from exporter.web.collect.routes import MOST_READ_BYTES, CollectApplication, Site, application
from exporter.web.file_descriptors import Listener
from exporter.web.rate import Rate, RateLimit
from exporter.web.server import HttpServer, Limits
from exporter.web.sockets import inherited

LIMITS = Limits(connections=1024, idle=timedelta(seconds=30), answer=timedelta(seconds=60))


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
            interactions=Rate(RateLimit(per_second=max_rate, burst=max_rate)),
            rate=lambda: self._rate,
            path=path,
        )

    @override
    def _listeners(self) -> Sequence[Listener]:
        return inherited(os.environ, collect=True) or super()._listeners()

    def _application(self) -> web.Application:
        return application(self._site)
