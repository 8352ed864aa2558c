"""The desk: what the web asks for, answered from the work's last results."""

import os
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import structlog

from exporter.config import Configuration, ConfigurationError, load
from exporter.domain.reports import milestones, segmentations
from exporter.front import front_page
from exporter.reading import FIRST_DAY, LAST_DAY, read_report
from exporter.web.board import Body
from exporter.web.page import Page
from exporter.work import Work


class Desk:
    """The web's `Board`. `apply` goes on with a configuration that was read anew."""

    def __init__(
        self,
        work: Work,
        *,
        config_file: Path | None,
        now: Callable[[], datetime],
        apply: Callable[[Configuration], None],
    ) -> None:
        self._work = work
        self._config_file = config_file
        self._now = now
        self._apply = apply
        self._reloading = threading.Lock()
        self._log = structlog.get_logger()
        work.journal.reloaded(now(), successful=True)

    def metrics(self, *, accept: str, gzip: bool, names: Sequence[str]) -> Body:
        """See `Board`."""
        scrape = self._work.exposition.scrape(accept=accept, compress=gzip, names=names)
        return Body(
            content_type=scrape.content_type, encoding=scrape.encoding, content=scrape.content
        )

    def unready(self) -> str | None:
        """See `Board`."""
        if self._work.exposition.snapshot is not None:
            return None
        problem = self._work.problem or "the first import is not finished"
        return f"no KPIs yet: {problem}"

    def report(
        self, name: str, *, start: float | None, end: float | None, segmentation: str | None
    ) -> object:
        """See `Board`."""
        with self._work.reading() as (store, counting):
            if name == "segmentations":
                return segmentations(counting.definitions)
            if name == "milestones":
                return milestones(self._work.configuration.milestones)
            return read_report(
                store,
                counting,
                name,
                first=_day(start),
                last=_day(end),
                segmentation=segmentation,
            )

    def page(self) -> Page:
        """See `Board`."""
        return front_page(
            at=self._now(),
            snapshot=self._work.exposition.snapshot,
            unready=self.unready(),
            operations=self._work.journal.operations,
            milestones=self._work.configuration.milestones,
            digest=self._work.digest,
        )

    def reload(self) -> Sequence[str]:
        """See `Board`: validate everything first, then apply it as a whole."""
        with self._reloading:
            problems = self._reload()
            self._work.journal.reloaded(self._now(), successful=not problems)
        if problems:
            self._log.error(
                "configuration not reloaded", file=str(self._config_file), problems=list(problems)
            )
        else:
            self._log.info("configuration reloaded")
        return problems

    def _reload(self) -> Sequence[str]:
        if self._config_file is None:
            return ("there is no configuration file to read again",)
        try:
            wanted = load(self._config_file, os.environ)
        except ConfigurationError as problem:
            return problem.problems
        current = self._work.configuration
        fixed = (
            ("store", wanted.store, current.store),
            ("web.listen", wanted.listen, current.listen),
        )
        problems = [f"{name}: a change needs a restart" for name, a, b in fixed if a != b]
        if not problems:
            self._apply(wanted)
        return problems


def _day(seconds: float | None) -> date | None:
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, tz=UTC).date()
    except (OverflowError, OSError, ValueError):
        return LAST_DAY if seconds > 0 else FIRST_DAY
