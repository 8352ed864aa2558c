"""What is answered to dialogs: each request counted, none logged, nothing kept of the client."""

import asyncio
import math
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import ClassVar, Protocol

import structlog
from tornado.web import Application, HTTPError, RequestHandler, stream_request_body

from exporter.domain.interaction import Row
from exporter.ingest.collector import CollectorFull
from exporter.ports import StoreError
from exporter.web.auth import Authenticator
from exporter.web.collect.body import UnreadableBody, read_rows
from exporter.web.executor import QueueFull
from exporter.web.rate import Rate

PING = "/wsapi/ping"
MOST_READ_BYTES = 8 * 1024 * 1024  # of a body that is too large, so that its sender hears of it
RETRY_AFTER_SECONDS = 5
PREFLIGHT_SECONDS = 86_400
_TEXT = "text/plain; charset=utf-8"

_log = structlog.get_logger(__name__)


class CollectApplication(Protocol):
    """Who stores what was posted, and counts what was answered. Called on the event loop."""

    def submit(self, rows: Sequence[Row]) -> Future[None]:
        """Store rows; the future ends once they are, or raises `StoreError`.

        Raises `CollectorFull`.
        """
        ...

    def answered(self, status: int, seconds: float | None) -> None:
        """Count a request by its answer; `seconds` is how long a post took."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What the routes serve from; `max_body` is in bytes.

    `interactions` says how many of them are taken, `rate` how many requests, if that is limited.
    """

    application: CollectApplication
    access: Authenticator
    headers: Callable[[], Mapping[str, str]]
    allow_origins: frozenset[str]
    max_body: int
    interactions: Rate
    rate: Callable[[], Rate | None]
    path: str


class Refused(HTTPError):
    """A request that is not answered as its sender wished; `text` is what it reads instead."""

    def __init__(self, status: HTTPStatus, text: str, *, retry_after: float | None = None) -> None:
        super().__init__(status)
        self.text = text
        self.retry_after = retry_after


def application(site: Site) -> Application:
    """Return the application with its routes."""
    return Application(
        [(re.escape(site.path), _Collect), (re.escape(PING), _Ping)],
        default_handler_class=_Nothing,
        log_function=_count,
        site=site,
    )


class _Route(RequestHandler):
    """What all routes have in common."""

    methods: ClassVar[tuple[str, ...]] = ()

    @property
    def site(self) -> Site:
        site: Site = self.settings["site"]
        return site

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        self.set_header("Content-Type", _TEXT)
        self.set_header("X-Content-Type-Options", "nosniff")
        for name, value in self.site.headers().items():
            self.set_header(name, value)
        if self.site.allow_origins:
            self.set_header("Vary", "Origin")
        if self.is_allowed:
            self.set_header("Access-Control-Allow-Origin", self.request.headers["Origin"])

    @property
    def is_allowed(self) -> bool:
        """Whether the request comes from a page of an origin that is listed."""
        return self.request.headers.get("Origin") in self.site.allow_origins

    async def authenticate(self) -> None:
        authorization = self.request.headers.get("Authorization", "")
        try:
            admitted = await self.site.access.authenticate(
                authorization, self.request.remote_ip or ""
            )
        except QueueFull:
            raise _unavailable("Too many such requests at once; try again later.") from None
        if not admitted:
            raise Refused(HTTPStatus.UNAUTHORIZED, "Unauthorized")

    def compute_etag(self) -> None:
        """Return none: answers are a word or two."""

    def write_error(self, status_code: int, **kwargs: object) -> None:
        status = HTTPStatus(status_code)
        text = status.phrase
        match kwargs.get("exc_info"):
            case (_, Refused() as refused, _):
                text = refused.text
                if refused.retry_after is not None:
                    self.set_header("Retry-After", str(max(1, math.ceil(refused.retry_after))))
        match status:
            case HTTPStatus.METHOD_NOT_ALLOWED:
                self.set_header("Allow", ", ".join(self.methods))
                text = f"Only {' or '.join(self.methods)} requests allowed"
            case HTTPStatus.UNAUTHORIZED:
                self.set_header("WWW-Authenticate", 'Basic realm="kpi-exporter", charset="UTF-8"')
        self.finish(text)

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if typ is None or value is None or isinstance(value, HTTPError):
            return
        _log.error("collecting failed", exc_info=(typ, value, tb))


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
        rate = self.site.rate()
        if rate is not None and (wait := rate.take_one()):
            raise Refused(HTTPStatus.TOO_MANY_REQUESTS, "Too many requests", retry_after=wait)
        await self.authenticate()
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
    return Refused(HTTPStatus.SERVICE_UNAVAILABLE, text, retry_after=RETRY_AFTER_SECONDS)


def _count(handler: RequestHandler) -> None:
    site: Site = handler.settings["site"]
    posted = isinstance(handler, _Collect) and handler.request.method == "POST"
    site.application.answered(
        int(handler.get_status()), handler.request.request_time() if posted else None
    )
