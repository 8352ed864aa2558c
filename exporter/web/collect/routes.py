"""What is answered to dialogs: each request counted, none logged, nothing kept of the client."""

import asyncio
import re
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

from tornado.web import Application, HTTPError, RequestHandler, stream_request_body

from exporter.domain.interaction import Row
from exporter.ingest.collector import CollectorFull
from exporter.ports import StoreError
from exporter.web.collect.body import UnreadableBody, read_rows
from exporter.web.rate import Rate
from exporter.web.route import Guarded, Refused, Route

PING = "/wsapi/ping"
MOST_READ_BYTES = 8 * 1024 * 1024  # of a body that is too large, so that its sender hears of it
PREFLIGHT_SECONDS = 86_400


class CollectApplication(Protocol):
    """Who stores what was posted, and counts what was answered. Called on the event loop."""

    def submit(self, rows: Sequence[Row]) -> Future[None]:
        """Store rows; the future ends once they are, or raises `StoreError`.

        Raises `CollectorFull`.
        """

    def answered(self, status: int, seconds: float | None) -> None:
        """Count a request by its answer; `seconds` is how long a post took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site(Guarded):
    """What the routes serve from; `max_body` is in bytes.

    `interactions` says how many of them are taken.
    """

    application: CollectApplication
    allow_origins: frozenset[str]
    max_body: int
    interactions: Rate
    path: str


def application(site: Site) -> Application:
    """Return the application with its routes."""
    return Application(
        [(re.escape(site.path), _Collect), (re.escape(PING), _Ping)],
        default_handler_class=_Nothing,
        log_function=_count,
        site=site,
    )


class _Route(Route[Site]):
    """What all routes of this socket have in common."""

    def set_default_headers(self) -> None:
        super().set_default_headers()
        if self.site.allow_origins:
            self.set_header("Vary", "Origin")
        if self.is_allowed:
            self.set_header("Access-Control-Allow-Origin", self.request.headers["Origin"])

    @property
    def is_allowed(self) -> bool:
        """Whether the request comes from a page of an origin that is listed."""
        return self.request.headers.get("Origin") in self.site.allow_origins


@stream_request_body
class _Collect(_Route):
    """Takes a body piece by piece, so that one that is too large is never there whole."""

    methods = ("POST", "OPTIONS")

    def initialize(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    async def prepare(self) -> None:
        if self.request.method != "POST":
            return  # a preflight brings no credentials
        await self.admit()
        announced = self.request.headers.get("Content-Length", "")
        if announced.isdecimal() and int(announced) > self.site.max_body:
            patient = "Expect" not in self.request.headers and int(announced) <= MOST_READ_BYTES
            if not patient:
                raise self._too_large()

    def data_received(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size <= self.site.max_body:
            self._pieces.append(chunk)
        else:
            self._pieces.clear()

    async def post(self) -> None:
        if self._size > self.site.max_body:
            raise self._too_large()
        wait = self.site.interactions.wait_seconds()
        if wait:
            raise Refused(HTTPStatus.TOO_MANY_REQUESTS, "Too many interactions", retry_after=wait)
        content_type = self.request.headers.get("Content-Type", "")
        try:
            rows = read_rows(b"".join(self._pieces), content_type)
        except UnreadableBody as error:
            self.site.interactions.take(1)
            raise Refused(HTTPStatus.BAD_REQUEST, str(error)) from None
        self._pieces.clear()
        self.site.interactions.take(len(rows))
        try:
            await asyncio.wrap_future(self.site.application.submit(rows))
        except CollectorFull:
            raise _unavailable("Too many interactions wait to be stored.") from None
        except StoreError:  # logged where the store is used
            raise _unavailable("The store does not take interactions.") from None
        self.set_status(HTTPStatus.CREATED)
        await self.finish("ok")

    async def options(self) -> None:
        if not self.is_allowed:
            raise HTTPError(HTTPStatus.METHOD_NOT_ALLOWED)
        self.set_header("Access-Control-Allow-Methods", "POST")
        self.set_header("Access-Control-Allow-Headers", "Content-Type")
        self.set_header("Access-Control-Max-Age", str(PREFLIGHT_SECONDS))
        self.clear_header("Content-Type")
        self.set_status(HTTPStatus.NO_CONTENT)

    def _too_large(self) -> Refused:
        return Refused(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"The body is larger than {self.site.max_body} bytes",
        )


class _Ping(_Route):
    methods = ("GET", "HEAD")

    def get(self) -> None:
        self.finish("pong")

    head = get


class _Nothing(_Route):
    def prepare(self) -> None:
        raise Refused(HTTPStatus.NOT_FOUND, "Not found")


def _unavailable(text: str) -> Refused:
    return Refused(HTTPStatus.SERVICE_UNAVAILABLE, text)


def _count(handler: RequestHandler) -> None:
    site: Site = handler.settings["site"]
    posted = isinstance(handler, _Collect) and handler.request.method == "POST"
    site.application.answered(
        int(handler.get_status()), handler.request.request_time() if posted else None
    )
