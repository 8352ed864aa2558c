"""Progress: a bar with time left on a terminal, log lines elsewhere."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Self

import structlog
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from exporter import clock

SAY_EVERY = timedelta(seconds=10)


class Shown:
    """How far work has come: on a bar, or a log line at times.

    `columns` stand between the bar and the time left; they show `fields`.
    """

    def __init__(
        self,
        what: str,
        *columns: ProgressColumn,
        now: Callable[[], datetime] = clock.now,
        **fields: Any,
    ) -> None:
        self._what = what
        self._now = now
        self._logged = now()
        console = Console(stderr=True)
        self._bar: Progress | None = None
        if console.is_terminal:
            ends = TextColumn("{task.description}"), BarColumn(), *columns, TimeRemainingColumn()
            self._bar = Progress(*ends, console=console)
            self._task = self._bar.add_task(what, total=None, **fields)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(
        self, done: float, total: float | None, *, log: Mapping[str, object], **fields: Any
    ) -> None:
        """Show how much is done, of `total` if known; `log` is for a line of the log."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total, **fields)
        elif (at := self._now()) - self._logged >= SAY_EVERY:
            self._logged = at
            structlog.get_logger().info(self._what, **log)


def track(
    steps: Iterable[int],
    what: str,
    total: int | None,
    *,
    now: Callable[[], datetime] = clock.now,
) -> int:
    """Run steps that yield how much is done, of `total` if known, and show it; return the last."""
    done = 0
    with Shown(what, MofNCompleteColumn(), now=now) as shown:
        for done in steps:
            shown.update(done, total, log={"done": done, "total": total})
    return done
