"""What the web asks for, answered from the last results of the jobs."""

import os
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import structlog
from typing_extensions import override

from exporter.config import Configuration, ConfigurationError, load
from exporter.daemon.jobs import Jobs
from exporter.domain.reports import milestones, segmentations
from exporter.maintenance.reports import FIRST_DAY, LAST_DAY, read_report
from exporter.metrics.exposition import Response
from exporter.metrics.periods import DEFAULT_PERIOD_DAYS
from exporter.web.application import Application
from exporter.web.page.build import State, build_page
from exporter.web.page.model import Page


class Service(Application):
    """The web's `Application`. `apply` goes on with a configuration that was read anew."""

    def __init__(
        self,
        jobs: Jobs,
        *,
        config_file: Path | None,
        now: Callable[[], datetime],
        apply: Callable[[Configuration], None],
    ) -> None:
        self._jobs = jobs
        self._config_file = config_file
        self._now = now
        self._apply = apply
        self._reloading = threading.Lock()
        self._log = structlog.get_logger()
        jobs.recorder.reloaded(now(), successful=True)

    @override
    def metrics(self, *, accept: str, gzip: bool, names: Sequence[str]) -> Response:
        return self._jobs.exposition.scrape(accept=accept, compress=gzip, names=names)

    @override
    def unready(self) -> str | None:
        if self._jobs.exposition.snapshot is not None:
            return None
        return f"no KPIs yet: {self._jobs.error or self._jobs.waits_for}"

    @override
    def report(
        self, name: str, *, start: float | None, end: float | None, segmentation: str | None
    ) -> object:
        with self._jobs.reading() as (store, evaluator):
            if name == "segmentations":
                return segmentations(evaluator.definitions)
            if name == "milestones":
                return milestones(self._jobs.configuration.milestones)
            return read_report(
                store,
                evaluator,
                name,
                first=_day(start),
                last=_day(end),
                segmentation=segmentation,
            )

    @override
    def page(self, *, days: int | None = None, segmentation: str | None = None) -> Page:
        period = None
        snapshot, periods = self._jobs.exposition.snapshot, self._jobs.periods
        if snapshot is not None and periods is not None and (days or segmentation):
            period = periods.period(days or DEFAULT_PERIOD_DAYS, segmentation)
        return build_page(
            at=self._now(),
            snapshot=snapshot,
            period=period,
            state=State(
                unready=self.unready(),
                status=self._jobs.recorder.status,
                collected=self._jobs.collect_status,
                milestones=self._jobs.configuration.milestones,
                digest=self._jobs.digest,
                titles=self._jobs.configuration.titles,
                history=self._jobs.configuration.import_.history,
            ),
        )

    @override
    def reload(self) -> Sequence[str]:
        # Validate everything first, then apply it as a whole.
        with self._reloading:
            errors = self._reload()
            self._jobs.recorder.reloaded(self._now(), successful=not errors)
        for error in errors:
            self._log.error("configuration not reloaded", error=error)
        if not errors:
            self._log.info("configuration reloaded")
        return errors

    def _reload(self) -> Sequence[str]:
        if self._config_file is None:
            return ("there is no configuration file to read again",)
        try:
            new = load(self._config_file, os.environ, running=self._jobs.configuration)
        except ConfigurationError as error:
            return str(error).splitlines()
        self._apply(new)
        return ()


def _day(seconds: float | None) -> date | None:
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, tz=UTC).date()
    except (OverflowError, OSError, ValueError):
        return LAST_DAY if seconds > 0 else FIRST_DAY
