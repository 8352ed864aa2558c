"""Progress: a bar with time left on a terminal, log lines elsewhere."""

from collections.abc import Iterable
from datetime import timedelta

import structlog
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from exporter.app import now

SAY_EVERY = timedelta(seconds=10)


def go_through(steps: Iterable[int], what: str, total: int) -> None:
    """Do work that says after each step how much of `total` is done."""
    console = Console(stderr=True)
    if console.is_terminal:
        _show(steps, what, total, console)
    else:
        _log(steps, what, total)


def _show(steps: Iterable[int], what: str, total: int, console: Console) -> None:
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


def _log(steps: Iterable[int], what: str, total: int) -> None:
    log = structlog.get_logger()
    said = now()
    for done in steps:
        at = now()
        if at - said >= SAY_EVERY:
            said = at
            log.info(what, done=done, total=total)
