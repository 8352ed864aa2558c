"""`verify`: every count of a range, against the interactions that it counts."""

import argparse

import structlog

from exporter.commands.common import (
    CommandError,
    load_configuration,
    open_store_with_definitions,
)
from exporter.commands.dates import add_days, check_days
from exporter.commands.progress import track
from exporter.domain.interaction import HOURS_PER_DAY
from exporter.domain.layout import TOTAL_ROW, Layout
from exporter.domain.slot_names import what_is_counted
from exporter.domain.windows import day_of, first_hour_of, start_of
from exporter.maintenance.reports import FIRST_DAY, LAST_DAY
from exporter.maintenance.verify import Difference, Verification


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    add_days(parser)
    parser.add_argument("--repair", action="store_true", help="correct what is wrong")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    check_days(options)
    configuration = load_configuration(options)
    wrong = 0
    with open_store_with_definitions(configuration) as (store, evaluator):
        start = first_hour_of(options.first or FIRST_DAY)
        end = first_hour_of(options.last or LAST_DAY) + HOURS_PER_DAY
        verification = Verification(store, evaluator, start, end)
        everything = options.first is None and options.last is None
        total = store.stats().interactions if everything else None
        looked_at = track(verification.check(), "interactions counted", total)
        for difference in verification.wrong(repair=options.repair):
            wrong += 1
            print(_line(difference, evaluator.layout))
        if everything:
            for holding in store.wrong_holdings(repair=options.repair):
                wrong += 1
                print(f"{holding.what}: held {holding.held}, right {holding.right}")
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
