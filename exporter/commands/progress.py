"""Progress: a bar with time left on a terminal, log lines elsewhere."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import structlog
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from exporter import clock

SAY_EVERY = timedelta(seconds=10)


def track(
    steps: Iterable[int],
    what: str,
    total: int | None,
    *,
    now: Callable[[], datetime] = clock.now,
) -> int:
    """Run steps that yield how much is done, of `total` if known, and log it; return the last."""
    console = Console(stderr=True)
    if console.is_terminal:
        return _on_bar(steps, what, total, console)
    return _in_log(steps, what, total, now)


def _on_bar(steps: Iterable[int], what: str, total: int | None, console: Console) -> int:
    done = 0
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
    ) as bar:
        task = bar.add_task(what, total=total)
        for done in steps:
            bar.update(task, completed=done)
    return done


def _in_log(steps: Iterable[int], what: str, total: int | None, now: Callable[[], datetime]) -> int:
    log = structlog.get_logger()
    logged = now()
    done = 0
    for done in steps:
        at = now()
        if at - logged >= SAY_EVERY:
            logged = at
            log.info(what, done=done, total=total)
    return done
