"""`segments`: which values stand behind each segment, so that `Other` can be made smaller."""

import argparse
from datetime import UTC, date, datetime, time, timedelta

from exporter.commands.common import (
    CommandError,
    UsageError,
    at_least_one,
    load_configuration,
    open_store_with_definitions,
    printable,
    suggestion,
)
from exporter.commands.dates import first_day, last_day
from exporter.domain.windows import ms_of
from exporter.maintenance.segment_values import SegmentValues, segment_values
from exporter.ports import StoreError

LISTED = 20
_ALL_MS = 1 << 62
_NO_VALUE = "(no value)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("name", metavar="NAME", help="the segmentation")
    parser.add_argument(
        "--from", dest="first", type=first_day, metavar="DATE", help="the first day"
    )
    parser.add_argument("--to", dest="last", type=last_day, metavar="DATE", help="the last day")
    parser.add_argument(
        "--limit",
        type=at_least_one,
        default=LISTED,
        metavar="N",
        help="list N values of each segment at most (default: %(default)s)",
    )


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    if options.first and options.last and options.first > options.last:
        raise UsageError(f"--from {options.first} is after --to {options.last}")
    configuration = load_configuration(options)
    names = [segmentation.name for segmentation in configuration.definitions.segmentations]
    if options.name not in names:
        raise CommandError(f"no segmentation {options.name!r}; {suggestion(options.name, names)}")
    start_ms = _midnight_ms(options.first) if options.first else 0
    end_ms = _midnight_ms(options.last + timedelta(days=1)) if options.last else _ALL_MS
    try:
        with open_store_with_definitions(configuration) as (store, evaluator):
            if evaluator.definitions.segmentation(options.name) is None:
                raise CommandError(
                    f"{options.name} has no counts yet: the daemon is rebuilding the tallies"
                )
            found = segment_values(store.interactions(start_ms, end_ms), evaluator, options.name)
    except StoreError as error:
        raise CommandError(str(error)) from error
    for segment in found:
        _print(segment, options.limit)


def _print(of: SegmentValues, limit: int) -> None:
    print(f"{of.interactions:>9}  {of.segment}")
    for value, n in of.values[:limit]:
        print(f"{n:>9}    {_NO_VALUE if value is None else printable(value)}")
    rest = sum(n for _, n in of.values[limit:]) + of.untold
    if rest:
        print(f"{rest:>9}    (other values)")


def _midnight_ms(of: date) -> int:
    return ms_of(datetime.combine(of, time(), UTC))
