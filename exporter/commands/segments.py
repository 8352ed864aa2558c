"""`segments`: which values stand behind each segment, so that `Other` can be made smaller."""

import argparse
from datetime import timedelta

from exporter.commands.common import (
    CommandError,
    at_least,
    load_configuration,
    open_store_with_definitions,
    printable,
    suggestion,
)
from exporter.commands.dates import add_days, check_days
from exporter.domain.interaction import MS_PER_HOUR
from exporter.domain.windows import first_hour_of
from exporter.maintenance.segment_values import SegmentValues, segment_values

LISTED = 20
_DAY = timedelta(days=1)
_ALL_MS = 1 << 62
_NO_VALUE = "(no value)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("name", metavar="NAME", help="the segmentation")
    add_days(parser)
    parser.add_argument(
        "--limit",
        type=at_least(1),
        default=LISTED,
        metavar="N",
        help="list N values of each segment at most (default: %(default)s)",
    )


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    check_days(options)
    configuration = load_configuration(options)
    names = [segmentation.name for segmentation in configuration.definitions.segmentations]
    if options.name not in names:
        raise CommandError(f"no segmentation {options.name!r}; {suggestion(options.name, names)}")
    start_ms = first_hour_of(options.first) * MS_PER_HOUR if options.first else 0
    end_ms = first_hour_of(options.last + _DAY) * MS_PER_HOUR if options.last else _ALL_MS
    with open_store_with_definitions(configuration) as (store, evaluator):
        if evaluator.definitions.segmentation(options.name) is None:
            raise CommandError(
                f"{options.name} has no counts yet: the daemon is rebuilding the tallies"
            )
        found = segment_values(store.interactions(start_ms, end_ms), evaluator, options.name)
    for segment in found:
        _print(segment, options.limit)


def _print(of: SegmentValues, limit: int) -> None:
    print(f"{of.interactions:>9}  {of.segment}")
    for value, n in of.values[:limit]:
        print(f"{n:>9}    {_NO_VALUE if value is None else printable(value)}")
    rest = sum(n for _, n in of.values[limit:]) + of.untold
    if rest:
        print(f"{rest:>9}    (other values)")
