"""The routes: which path answers what, and in which words a request is refused."""

import asyncio
import gzip
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import ClassVar, TypeVar

import structlog
from tornado import web
from tornado.web import RequestHandler

from exporter.domain.reports import InvalidSegmentation, UnknownReport
from exporter.escape import escaped
from exporter.metrics.accept import weights
from exporter.metrics.periods import PERIODS_DAYS
from exporter.ports import StoreError
from exporter.web.application import Application
from exporter.web.executor import BoundedExecutor, QueueFull
from exporter.web.page.render import PageTemplate
from exporter.web.route import TOO_MANY, Guarded, Refused, Route

_log = structlog.get_logger(__name__)

_JSON = "application/json"
_HTML = "text/html; charset=utf-8"

_SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?", re.ASCII)
_LAST_SECOND = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()
_DAY_SECONDS = 86_400
_MOST_NAMES = 100
_PERIODS = tuple(map(str, PERIODS_DAYS))
_GZIP_LEVEL = 1  # 2 ms on the event loop; the best level takes four times that for 10% fewer bytes

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site(Guarded):
    """What the routes serve from.

    A report that takes longer than `patience` is answered 503. `lifecycle` allows a reload
    over HTTP.
    """

    application: Application
    reports: BoundedExecutor
    selections: BoundedExecutor
    control: BoundedExecutor
    patience: timedelta
    lifecycle: bool


def application(site: Site) -> web.Application:
    """Return the application with its routes."""
    return web.Application(
        [
            (r"/", _Page),
            (r"/favicon.svg", _Icon),
            (r"/metrics", _Metrics),
            (r"/data/([^/]+)", _Report),
            (r"/-/healthy", _Healthy),
            (r"/-/ready", _Ready),
            (r"/-/reload", _Reload),
        ],
        default_handler_class=_Nothing,
        log_function=_trace,
        site=site,
        page_template=PageTemplate(),
    )


def takes_gzip(accept_encoding: str) -> bool:
    """Return whether a client with this `Accept-Encoding` takes gzip."""
    wanted = weights(accept_encoding)
    return wanted.get("gzip", wanted.get("*", 0)) > 0


class _Route(Route[Site]):
    """What all routes of this socket have in common."""

    guarded: ClassVar[bool] = True

    @property
    def page_template(self) -> PageTemplate:
        template: PageTemplate = self.settings["page_template"]
        return template

    def set_default_headers(self) -> None:
        self.set_header("Content-Security-Policy", self.page_template.policy)
        self.set_header("Referrer-Policy", "no-referrer")
        super().set_default_headers()  # with those of the web configuration, which go before

    async def prepare(self) -> None:
        if self.guarded:
            await self.admit()

    async def in_time(self, workers: BoundedExecutor, work: Callable[[], _Result]) -> _Result:
        """Run work that may wait in a thread, or refuse when there is no place or no end."""
        try:
            return await asyncio.wait_for(workers.run(work), self.site.patience.total_seconds())
        except QueueFull:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, TOO_MANY) from None
        except TimeoutError:
            raise Refused(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"No answer within {self.site.patience.total_seconds():g} s; try again later.",
            ) from None

    @contextmanager
    def refused_reading(self) -> Iterator[None]:
        """Refuse the request where what it asks for cannot be read."""
        try:
            yield
        except UnknownReport:
            raise Refused(HTTPStatus.NOT_FOUND, "Unknown report") from None
        except InvalidSegmentation:
            raise Refused(HTTPStatus.BAD_REQUEST, "Invalid segmentation") from None
        except StoreError as error:
            _log.error("report not read", path=escaped(self.request.path), error=str(error))
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "The store cannot be read.") from None


class _Page(_Route):
    async def get(self) -> None:
        days, segmentation = self._days(), self.get_query_argument("segmentation", "") or None
        if days is None and segmentation is None:
            content = self.page_template.render(self.site.application.page())
        else:
            content = await self._of_period(days, segmentation)
        self.set_header("Content-Type", _HTML)
        self.set_header("Vary", "Accept-Encoding")
        if takes_gzip(self.request.headers.get("Accept-Encoding", "")):
            self.set_header("Content-Encoding", "gzip")
            content = gzip.compress(content, compresslevel=_GZIP_LEVEL, mtime=0)
        self.finish(content)

    head = get

    async def _of_period(self, days: int | None, segmentation: str | None) -> bytes:
        def page() -> bytes:
            shown = self.site.application.page(days=days, segmentation=segmentation)
            return self.page_template.render(shown)

        with self.refused_reading():
            return await self.in_time(self.site.selections, page)

    def _days(self) -> int | None:
        """Read how many days are requested; empty is not requested."""
        text = self.get_query_argument("days", "")
        if text and text not in _PERIODS:
            raise Refused(HTTPStatus.BAD_REQUEST, f"days: must be one of {', '.join(_PERIODS)}")
        return int(text) if text else None


class _Icon(_Route):
    def get(self) -> None:
        self.set_header("Content-Type", "image/svg+xml")
        self.set_header("Cache-Control", "max-age=86400")
        self.finish(self.page_template.icon)

    head = get


class _Metrics(_Route):
    async def get(self) -> None:
        names = self.get_query_arguments("name[]")
        if len(names) > _MOST_NAMES:
            raise Refused(HTTPStatus.BAD_REQUEST, f"name[]: must be at most {_MOST_NAMES} names")
        scrape = partial(
            self.site.application.metrics,
            accept=self.request.headers.get("Accept", ""),
            gzip=takes_gzip(self.request.headers.get("Accept-Encoding", "")),
            names=names,
        )
        # A selection is rendered anew; everything stands ready.
        body = await self.in_time(self.site.selections, scrape) if names else scrape()
        self.set_header("Content-Type", body.content_type)
        self.set_header("Vary", "Accept, Accept-Encoding")
        if body.encoding:
            self.set_header("Content-Encoding", body.encoding)
        self.finish(body.content)

    head = get


class _Report(_Route):
    async def get(self, name: str) -> None:
        start, end = self._seconds("start"), self._seconds("end")
        if start is not None and end is not None and end // _DAY_SECONDS < start // _DAY_SECONDS:
            raise Refused(HTTPStatus.BAD_REQUEST, "end: is before start")
        report = partial(
            self.site.application.report,
            name,
            start=start,
            end=end,
            segmentation=self.get_query_argument("segmentation", "") or None,
        )
        with self.refused_reading():
            content = await self.in_time(self.site.reports, lambda: _encode(report()))
        self.set_header("Content-Type", _JSON)
        self.finish(content)

    head = get

    def _seconds(self, parameter: str) -> float | None:
        """Read a parameter in Unix seconds; one that is empty was not given."""
        text = self.get_query_argument(parameter, "")
        if not text:
            return None
        if not _SECONDS.fullmatch(text) or float(text) > _LAST_SECOND:
            raise Refused(
                HTTPStatus.BAD_REQUEST,
                f"{parameter}: must be Unix seconds from 0 to {_LAST_SECOND:.0f}",
            )
        return float(text)


class _Healthy(_Route):
    guarded = False

    def get(self) -> None:
        self.finish("kpi-exporter is healthy.\n")

    head = get


class _Ready(_Route):
    guarded = False

    def get(self) -> None:
        reason = self.site.application.unready()
        if reason is not None:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, f"Not ready: {reason}")
        self.finish("kpi-exporter is ready.\n")

    head = get


class _Reload(_Route):
    methods = ("POST",)

    async def post(self) -> None:
        if not self.site.lifecycle:
            raise Refused(HTTPStatus.FORBIDDEN, "Lifecycle API is not enabled.")
        errors = await self.in_time(self.site.control, self.site.application.reload)
        if errors:
            raise Refused(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                "\n".join(["failed to reload config:", *errors, ""]),
            )
        self.finish("The configuration is applied.\n")


class _Nothing(_Route):
    async def prepare(self) -> None:
        await super().prepare()
        raise Refused(HTTPStatus.NOT_FOUND, "Not found")


def _encode(report: object) -> bytes:
    return json.dumps(report, allow_nan=False, separators=(",", ":")).encode()


def _trace(handler: RequestHandler) -> None:
    _log.debug(
        "request",
        method=handler.request.method,
        path=escaped(handler.request.path),
        status=int(handler.get_status()),
        seconds=round(handler.request.request_time(), 6),
    )
