"""`report`: one report as a table, as JSON or as CSV."""

import argparse
import csv
import json
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from exporter.commands.common import (
    CommandError,
    load_configuration,
    open_store_with_definitions,
    suggestion,
)
from exporter.commands.dates import add_days, check_days
from exporter.commands.ratios import ratio_rows
from exporter.domain.definitions import TOTAL
from exporter.domain.kpis import Unit
from exporter.domain.reports import (
    FLOW,
    REPORTS,
    InvalidSegmentation,
    UnknownReport,
    is_daily_ratio,
    is_of_shares,
    is_of_steps,
    milestones,
    report_of_kpi,
    reports_of,
    segmentations,
)
from exporter.maintenance.reports import read_numbers, read_report
from exporter.web.page.formatting import value_words


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "name", type=_name, metavar="NAME", help=", ".join((*REPORTS, f"{FLOW}NAME"))
    )
    parser.add_argument("--segmentation", metavar="NAME", help="by segment instead of in total")
    add_days(parser)
    parser.add_argument("--format", choices=("table", "json", "csv"), default="table")


def _name(text: str) -> str:
    """Return the report of that name, or that of the KPI of that name."""
    name = report_of_kpi(text.removeprefix("kpi_").removeprefix("segment_"), text)
    if name not in REPORTS and not name.startswith(FLOW):
        known = (*REPORTS, f"{FLOW}NAME")
        raise argparse.ArgumentTypeError(f"no report {text!r}; {suggestion(text, known)}")
    return name


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    check_days(options)
    console = Console(markup=False, emoji=False)  # names are texts: [a] and :b: are only that
    if options.format == "table" and is_daily_ratio(options.name):
        _print(*ratio_rows(_read(options, read_numbers), bars=console.is_terminal), console)
        return
    content = _read(options, read_report)
    if options.format == "json":
        json.dump(content, sys.stdout, indent=2, allow_nan=False)
        sys.stdout.write("\n")
        return
    header, rows = _table(options.name, content)
    if options.format == "csv":
        csv.writer(sys.stdout).writerows([header, *rows])
        return
    _print(header, [[_written(cell, options.name) for cell in row] for row in rows], console)


def _print(header: list[str], rows: list[list[str]], console: Console) -> None:
    for table in _tables(header, rows, console):
        console.width = max(console.width, _width(table, console))
        console.print(table)


def _tables(header: list[str], rows: list[list[str]], console: Console) -> Iterator[Table]:
    """Return the tables of a report that fit the width: several, rather than cut a value."""
    table = _of_columns(header, rows, range(len(header)))
    if len(header) == 1 or _width(table, console) <= console.width:
        yield table
        return
    header = [_folded(*column) for column in zip(header, *rows, strict=True)]
    columns = range(1, len(header))
    while columns:
        for taken in range(len(columns), 0, -1):
            table = _of_columns(header, rows, [0, *columns[:taken]])
            if _width(table, console) <= console.width:
                break
        yield table
        columns = columns[taken:]


def _of_columns(header: list[str], rows: list[list[str]], columns: Sequence[int]) -> Table:
    table = Table(*(header[column] for column in columns))
    for row in rows:
        table.add_row(*(row[column] for column in columns))
    return table


def _width(table: Table, console: Console) -> int:
    return Measurement.get(console, console.options.update(max_width=10_000), table).maximum


def _folded(title: str, *cells: str) -> str:
    """Return a title broken between words, no wider than it must be with these cells below it."""
    width = max(map(len, (*title.split(), *cells)), default=1)
    return textwrap.fill(title, width, break_long_words=False, break_on_hyphens=False)


def _read(options: argparse.Namespace, read: Callable[..., Any]) -> Any:
    configuration = load_configuration(options)
    if options.name == "segmentations":
        return segmentations(configuration.definitions)
    if options.name == "milestones":
        return milestones(configuration.milestones)
    try:
        with open_store_with_definitions(configuration) as (store, evaluator):
            return read(
                store,
                evaluator,
                options.name,
                first=options.first,
                last=options.last,
                segmentation=options.segmentation,
            )
    except UnknownReport as error:
        definitions = configuration.definitions
        known = (*reports_of(definitions), *(f"{FLOW}{flow.name}" for flow in definitions.flows))
        meant = (
            f"there are {', '.join(known)}"
            if options.name in REPORTS
            else suggestion(options.name, known)
        )
        raise CommandError(f"no report {options.name!r}; {meant}") from error
    except InvalidSegmentation as error:
        names = [s.name for s in configuration.definitions.segmentations]
        meant = "" if options.segmentation in names else suggestion(options.segmentation, names)
        raise CommandError(
            f"{options.name} cannot be had by {options.segmentation!r};"
            f" {meant or 'a report over time of a flow has no segments'}"
        ) from error


def _table(name: str, content: Any) -> tuple[list[str], list[list[Any]]]:
    """Return a report's table: a row a day (or step, or milestone), a column a segment (or step).

    Of durations: a row a day of each duration, and of each segment.
    """
    if name == "milestones":
        return ["date", "milestone"], [[mark["date"], mark["milestone"]] for mark in content]
    if name == "segmentations":
        return ["segmentation", "segment"], [
            [segmentation, segment] for segmentation, of in content.items() for segment in of
        ]
    if name == "durations":
        segments = [] if list(content) in ([], [TOTAL]) else ["segment"]
        return [*segments, "duration", "date", "interactions", "median", "p90"], [
            [*(segment for _ in segments), duration, day, *of_day.values()]
            for segment, durations in content.items()
            for duration, days in durations.items()
            for day, of_day in sorted(days.items())
        ]
    columns = {column: _cells(values) for column, values in content.items()}
    places = dict.fromkeys(place for cells in columns.values() for place in cells)
    of_steps = is_of_steps(name)
    ordered = list(places) if of_steps else sorted(places)
    first = "step" if of_steps else "date"
    return [first, *columns], [
        [place, *(cells.get(place) for cells in columns.values())] for place in ordered
    ]


def _cells(values: Any) -> Mapping[str, Any]:
    if isinstance(values, Mapping):
        return values
    return {entry["category"]: entry["value"] for entry in values}


def _written(cell: object, name: str) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float) and is_of_shares(name):
        return value_words(cell, Unit.RATIO)
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)
