"""`rejected`: the rows that were refused, and another try at them."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict

import structlog

from exporter.clock import now
from exporter.commands.common import (
    CommandError,
    UsageError,
    at_least,
    load_configuration,
    open_store_with_definitions,
    printable,
)
from exporter.domain.windows import instant_of
from exporter.ingest.retry import retry
from exporter.ports import RejectedRow, Store

LISTED = 100
ALL = 1_000_000  # more than any store keeps
_ACTIONS = ("list", "show", "retry")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "action", nargs="?", choices=_ACTIONS, default="list", help="default: %(default)s"
    )
    parser.add_argument("id", nargs="?", metavar="ID", help="the row to show or to retry")
    parser.add_argument("--all", action="store_true", help="retry every row that is kept")
    parser.add_argument(
        "--limit",
        type=at_least(1),
        default=LISTED,
        metavar="N",
        help="list the newest N (default: %(default)s)",
    )


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    if options.action == "show" and options.id is None:
        raise UsageError("show which? `kpi-exporter rejected` lists them")
    if options.action == "list" and options.id is not None:
        raise UsageError(f"`kpi-exporter rejected show {options.id}` shows one row")
    if options.action == "retry" and options.all == (options.id is not None):
        raise UsageError("retry which? either an ID or --all")
    with open_store_with_definitions(load_configuration(options)) as (store, evaluator):
        if options.action == "list":
            _list(store, options.limit)
        elif options.action == "show":
            (row,) = _found(store, options.id)
            _show(row)
        else:
            rows = store.rejected(ALL) if options.all else _found(store, options.id)
            became = retry(store, evaluator, rows, now())
            structlog.get_logger().info("retried", **asdict(became))


def _list(store: Store, limit: int) -> None:
    rows = store.rejected(limit)
    for row in rows:
        print(f"{_refused(row)}  {row.reason}  {printable(row.id)}  {printable(row.detail)}")
    held = sum(store.stats().rejected.values())
    structlog.get_logger().info("rejected", listed=len(rows), held=held)


def _found(store: Store, id_: str) -> Sequence[RejectedRow]:
    rows = [row for row in store.rejected(ALL) if id_ in (row.id, printable(row.id))]
    if not rows:
        raise CommandError(
            f"no rejected row {id_!r}; `kpi-exporter rejected` lists those that are kept"
        )
    return rows[:1]


def _show(row: RejectedRow) -> None:
    """Print one row; its content byte by byte, unless a terminal would take it for commands."""
    print(f"id       {printable(row.id)}")
    print(f"refused  {_refused(row)}")
    print(f"reason   {row.reason}: {printable(row.detail)}")
    print(flush=True)
    if sys.stdout.isatty():
        print(printable(row.raw.decode("utf-8", "backslashreplace")))
    else:
        sys.stdout.buffer.write(row.raw + b"\n")


def _refused(row: RejectedRow) -> str:
    return f"{instant_of(row.refused_ms):%Y-%m-%dT%H:%M:%SZ}"
