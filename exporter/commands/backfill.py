"""`backfill`: the KPIs of the past, for Prometheus to take in as blocks."""

import argparse
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import structlog

from exporter import notes
from exporter.clock import now
from exporter.commands.common import (
    CommandError,
    UsageError,
    load_configuration,
    open_store_with_definitions,
)
from exporter.commands.dates import instant
from exporter.commands.progress import track
from exporter.config import Configuration
from exporter.config.scalars import duration
from exporter.domain.windows import hour_of, start_of
from exporter.ingest.importer import OLDEST
from exporter.metrics.backfill import Grid, History
from exporter.metrics.backfill.spool import SpoolError
from exporter.metrics.families import MILESTONE, SEGMENTS, TOTALS
from exporter.ports import Store

DEFAULT_LENGTH = timedelta(days=30)
DEFAULT_STEP = timedelta(minutes=5)  # Prometheus looks no further back for a sample
_MINUTE = timedelta(minutes=1)
_LABEL = re.compile(r"(?P<name>[a-zA-Z_][a-zA-Z0-9_]*)=(?P<value>.+)", re.DOTALL)
_TAKEN = {label for family in (*TOTALS, *SEGMENTS, MILESTONE) for label in family.labels}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument(
        "--from",
        dest="start",
        type=instant,
        metavar="TIME",
        help="from then on: 2013-07, yesterday, 7d or a timestamp (default: 30 days before --to)",
    )
    parser.add_argument(
        "--to",
        dest="end",
        type=instant,
        metavar="TIME",
        help="until then, the first scrape (default: when KPIs were first exposed, else now)",
    )
    parser.add_argument(
        "--step",
        type=_step,
        default=DEFAULT_STEP,
        metavar="DURATION",
        help="a sample each so many minutes (default: 5m; see docs/history.md for sizes)",
    )
    parser.add_argument(
        "--label",
        dest="labels",
        type=_label,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a label of the scrape; repeatable (default: job=kpi-exporter and"
        " instance=the address listened on)",
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="write there (default: standard output)"
    )


def _step(text: str) -> timedelta:
    try:
        step = duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if step % _MINUTE:
        raise argparse.ArgumentTypeError(f"whole minutes were expected, not {text}")
    return step


def _label(text: str) -> tuple[str, str]:
    found = _LABEL.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"NAME=VALUE was expected, not {text!r}")
    if found["name"] in _TAKEN or found["name"].startswith("__"):
        raise argparse.ArgumentTypeError(f"{found['name']} is a label of the KPIs themselves")
    return found["name"], found["value"]


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    if options.start and options.end and options.start >= options.end:
        raise UsageError(_disordered(options.start, options.end))
    configuration = load_configuration(options)
    log = structlog.get_logger()
    began = now()
    with (
        open_store_with_definitions(configuration) as (store, evaluator),
        _files(options.output) as (out, spool),
    ):
        grid = _grid(options, store)
        history = History(
            evaluator,
            windows=configuration.windows,
            milestones=configuration.milestones,
            grid=grid,
            labels=_labels(options, configuration),
            spool=spool,
        )
        size = {"series": history.series, "samples": history.series * len(grid)}
        span = {"start": grid.start.isoformat(), "end": grid.end.isoformat()}
        log.info("backfill begins", **span, **size)
        track(history.compute(store), "hours computed", history.hours)
        track(history.write(out), "series written", history.series)
        out.flush()
    log.info("backfill finished", seconds=round((now() - began).total_seconds(), 3), **size)


def _grid(options: argparse.Namespace, store: Store) -> Grid:
    """Choose the instants; the range begins no earlier than what is held."""
    end = min(options.end or _exposed_since(store) or now(), now()).replace(microsecond=0)
    start = options.start or end - DEFAULT_LENGTH
    if start >= end:
        raise CommandError(_disordered(start, end))
    oldest = next((row.start for row in store.by_hour(0, hour_of(end) + 1, ("",))), None)
    if oldest is None:
        raise CommandError(f"nothing is held from before {end.isoformat()}; run an import first")
    if start_of(oldest) > start:
        start = start_of(oldest)
        structlog.get_logger().info("nothing is held from before", start=start.isoformat())
    return Grid(start=start, end=max(start, end), step=options.step)


def _disordered(start: datetime, end: datetime) -> str:
    return f"--from {start.isoformat()} is not before --to {end.isoformat()}"


def _exposed_since(store: Store) -> datetime | None:
    since = notes.read_time(notes.EXPOSED_SINCE, store.note(notes.EXPOSED_SINCE))
    return None if since is None or since < OLDEST else since  # before, by a wrong clock


def _labels(options: argparse.Namespace, configuration: Configuration) -> dict[str, str]:
    return {"job": "kpi-exporter", "instance": configuration.listen, **dict(options.labels)}


@contextmanager
def _files(output: Path | None) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """Open what to write to, and the spool beside it. Disk trouble is a `CommandError`."""
    folder = None if output is None else output.parent
    try:
        with tempfile.TemporaryFile(dir=folder) as spool:
            if output is None:
                yield sys.stdout.buffer, spool
            else:
                with output.open("wb") as out:
                    yield out, spool
    except BrokenPipeError:
        raise
    except SpoolError as error:
        where = f"the temporary file in {folder or tempfile.gettempdir()}"
        hint = "" if folder else "; TMPDIR names another directory"
        raise CommandError(f"{where} cannot be written: {error}{hint}") from error
    except OSError as error:
        where = "standard output" if output is None else str(output)
        raise CommandError(f"{where} cannot be written: {error.strerror or error}") from error
