"""`verify`: every count of a range, against the interactions that it counts."""

import argparse

import structlog

from exporter.commands.common import (
    CommandError,
    UsageError,
    load_configuration,
    open_store_with_definitions,
)
from exporter.commands.dates import first_day, last_day
from exporter.commands.progress import track
from exporter.domain.interaction import HOURS_PER_DAY
from exporter.domain.layout import TOTAL_ROW, Layout
from exporter.domain.slot_names import what_is_counted
from exporter.domain.windows import day_of, first_hour_of, start_of
from exporter.maintenance.reports import FIRST_DAY, LAST_DAY
from exporter.maintenance.verify import Difference, Verification
from exporter.ports import StoreError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument(
        "--from",
        dest="first",
        type=first_day,
        default=FIRST_DAY,
        metavar="DATE",
        help="the first day (default: all that is held)",
    )
    parser.add_argument(
        "--to", dest="last", type=last_day, default=LAST_DAY, metavar="DATE", help="the last day"
    )
    parser.add_argument("--repair", action="store_true", help="correct what is wrong")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    if options.first > options.last:
        raise UsageError(f"--from {options.first} is after --to {options.last}")
    configuration = load_configuration(options)
    wrong = 0
    try:
        with open_store_with_definitions(configuration) as (store, evaluator):
            start, end = first_hour_of(options.first), first_hour_of(options.last) + HOURS_PER_DAY
            verification = Verification(store, evaluator, start, end)
            everything = (options.first, options.last) == (FIRST_DAY, LAST_DAY)
            total = store.stats().interactions if everything else None
            looked_at = track(verification.check(), "interactions counted", total)
            for difference in verification.wrong(repair=options.repair):
                wrong += 1
                print(_line(difference, evaluator.layout))
            if everything:
                for holding in store.wrong_holdings(repair=options.repair):
                    wrong += 1
                    print(f"{holding.what}: held {holding.held}, right {holding.right}")
    except StoreError as error:
        raise CommandError(str(error)) from error
    structlog.get_logger().info(
        "verified", interactions=looked_at, wrong=wrong, repaired=wrong if options.repair else 0
    )
    if verification.restless:
        raise CommandError(
            f"{verification.restless} days changed whenever they were looked at; verify them"
            " while no import runs"
        )
    if wrong and not options.repair:
        raise CommandError(f"{wrong} counts are wrong; --repair puts them right")


def _line(difference: Difference, layout: Layout) -> str:
    period = (
        f"{start_of(difference.start):%Y-%m-%dT%H:%MZ}"
        if difference.hours == 1
        else f"{day_of(difference.start)} (the day's own count)"
    )
    row = difference.segmentation, difference.segment
    of = "" if row == TOTAL_ROW else f" with {row[0]} {row[1]}"
    return (
        f"{period}: {what_is_counted(layout, difference.slot)}{of}:"
        f" held {difference.held}, right {difference.right}"
    )
