"""What the routes of both sockets have in common: who is let in, and how a request is refused."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import ClassVar, Generic, TypeVar

import structlog
from tornado.web import HTTPError, RequestHandler
from typing_extensions import override

from exporter.crash import end_out_of_memory
from exporter.escape import escaped
from exporter.web.auth import Authenticator
from exporter.web.executor import QueueFull
from exporter.web.rate import Rate

TEXT = "text/plain; charset=utf-8"
TOO_MANY = "Too many such requests at once; try again later."
RETRY_AFTER_SECONDS = 5

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded:
    """What routes are served from: who is let in, and which headers are added to every answer.

    `rate` returns how many requests are taken, if that is limited.
    """

    access: Authenticator
    rate: Callable[[], Rate | None]
    headers: Callable[[], Mapping[str, str]]


Site = TypeVar("Site", bound=Guarded)


class Refused(HTTPError):
    """A request that is not answered; `text` is the line that the client reads instead."""

    def __init__(
        self, status: HTTPStatus, text: str, *, retry_after: float = RETRY_AFTER_SECONDS
    ) -> None:
        super().__init__(status)
        self.text = text
        self.retry_after = retry_after


class Route(RequestHandler, Generic[Site]):
    """A path and what it answers; `methods` are those that it has."""

    methods: ClassVar[tuple[str, ...]] = ("GET", "HEAD")

    @property
    def site(self) -> Site:
        """What this socket's routes are served from."""
        site: Site = self.settings["site"]
        return site

    @override
    def set_default_headers(self) -> None:
        self.clear_header("Server")
        self.set_header("Content-Type", TEXT)
        self.set_header("X-Content-Type-Options", "nosniff")
        for name, value in self.site.headers().items():
            self.set_header(name, value)

    async def admit(self) -> None:
        """Refuse who may not ask, and what is one request too many."""
        rate = self.site.rate()
        if rate is not None and (wait := rate.take_one()):
            raise Refused(HTTPStatus.TOO_MANY_REQUESTS, "Too many requests", retry_after=wait)
        authorization = self.request.headers.get("Authorization", "")
        try:
            admitted = await self.site.access.authenticate(
                authorization, self.request.remote_ip or ""
            )
        except QueueFull:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, TOO_MANY) from None
        if not admitted:
            raise Refused(HTTPStatus.UNAUTHORIZED, "Unauthorized")

    @override
    def compute_etag(self) -> None:
        return  # answers change all the time: hashing them would buy nothing

    @override
    def write_error(self, status_code: int, **kwargs: object) -> None:
        status = HTTPStatus(status_code)
        retry_after: float = RETRY_AFTER_SECONDS
        match kwargs.get("exc_info"):
            case (_, Refused() as refused, _):
                text, retry_after = refused.text, refused.retry_after
            case (_, HTTPError(), _):
                text = status.phrase
            case _:
                text = "Something went wrong in the exporter; its log says what."
        match status:
            case HTTPStatus.METHOD_NOT_ALLOWED:
                self.set_header("Allow", ", ".join(self.methods))
                text = f"Only {' or '.join(self.methods)} requests allowed"
            case HTTPStatus.UNAUTHORIZED:
                self.set_header("WWW-Authenticate", 'Basic realm="kpi-exporter", charset="UTF-8"')
            case HTTPStatus.SERVICE_UNAVAILABLE | HTTPStatus.TOO_MANY_REQUESTS:
                self.set_header("Retry-After", str(max(1, math.ceil(retry_after))))
        self.finish(text)

    @override
    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if typ is None or value is None or isinstance(value, HTTPError):
            return
        if isinstance(value, MemoryError):
            end_out_of_memory()
        _log.error("request failed", path=escaped(self.request.path), exc_info=(typ, value, tb))
