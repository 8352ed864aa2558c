"""`verify`: every count of a range, against the interactions that it counts."""

import argparse

import structlog

from exporter.commands.failure import Failure, Misuse
from exporter.commands.parts import configuration_of, day, store_of
from exporter.commands.progress import go_through
from exporter.domain.interaction import HOURS_PER_DAY
from exporter.domain.layout import TOTAL_ROW, Layout
from exporter.domain.windows import day_of, first_hour_of, start_of
from exporter.domain.words import what_is_counted
from exporter.ports import StoreError
from exporter.reading import FIRST_DAY, LAST_DAY
from exporter.verification import Difference, Verification

TEXT = "recompute what is counted from the stored interactions, and say what differs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument(
        "--from",
        dest="first",
        type=day,
        default=FIRST_DAY,
        metavar="DATE",
        help="the first day (default: all that is held)",
    )
    parser.add_argument(
        "--to", dest="last", type=day, default=LAST_DAY, metavar="DATE", help="the last day"
    )
    parser.add_argument("--repair", action="store_true", help="put right what is wrong")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    if options.first > options.last:
        raise Misuse(f"--from {options.first} is after --to {options.last}")
    configuration = configuration_of(options)
    wrong = 0
    try:
        with store_of(configuration) as (store, counting):
            start, end = first_hour_of(options.first), first_hour_of(options.last) + HOURS_PER_DAY
            verification = Verification(store, counting, start, end)
            everything = (options.first, options.last) == (FIRST_DAY, LAST_DAY)
            total = store.holdings().interactions if everything else None
            looked_at = go_through(verification.look(), "interactions counted", total)
            for difference in verification.wrong(repair=options.repair):
                wrong += 1
                print(_line(difference, counting.layout))
    except StoreError as problem:
        raise Failure(str(problem)) from problem
    structlog.get_logger().info(
        "verified", interactions=looked_at, wrong=wrong, repaired=wrong if options.repair else 0
    )
    if verification.restless:
        raise Failure(
            f"{verification.restless} days changed whenever they were looked at; verify them"
            " while no import runs"
        )
    if wrong and not options.repair:
        raise Failure(f"{wrong} counts are wrong; --repair puts them right")


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
