"""What commands share: the configuration, and the parts that it names, opened and closed."""

import argparse
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime

from exporter.config import Configuration, load
from exporter.domain.counting import Counting
from exporter.ports import Store, StoreError
from exporter.wiring import is_there, open_store


def configuration_of(options: argparse.Namespace) -> Configuration:
    """Read the configuration file. Raises `ConfigurationError`."""
    return load(options.config_file, os.environ)


@contextmanager
def store_of(
    configuration: Configuration, *, made: bool = False
) -> Iterator[tuple[Store, Counting]]:
    """Open the store with the definitions that its tallies are counted under.

    They are the configuration's, unless the daemon has still to recount under those. Raises
    `StoreError`, for a file that is not there as well, unless it is to be made.
    """
    if not made and not is_there(configuration.store):
        raise StoreError(
            f"{configuration.store.url} is not there: the first import makes it, and a path is"
            " looked for from the directory that a command is run in"
        )
    with closing(open_store(configuration.store)) as store:
        yield store, count_under_what_is_in_force(store, configuration)


def count_under_what_is_in_force(store: Store, configuration: Configuration) -> Counting:
    """Count as the daemon does; a change of definitions is for the daemon to carry out."""
    wanted = Counting(configuration.definitions)
    in_force = in_force_or(store, wanted)
    store.count_under(in_force, None if in_force is wanted else wanted)
    return in_force


def in_force_or(store: Store, wanted: Counting) -> Counting:
    """Give the counting whose tallies are in force, which is `wanted` in a new store."""
    held = store.definitions_in_force()
    if held is None or held == wanted.definitions.to_json():
        return wanted
    return Counting(type(wanted.definitions).from_json(held))


def instant(text: str) -> datetime:
    """Read an ISO date or timestamp; UTC unless it says otherwise."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(
            f"an ISO date or timestamp was expected, not {text!r}"
        ) from problem
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)


def day(text: str) -> date:
    """Read a date."""
    try:
        return date.fromisoformat(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(f"YYYY-MM-DD was expected, not {text!r}") from problem


def printable(text: str) -> str:
    """Write a text from outside so that no terminal takes it for commands."""
    return text if text.isprintable() else ascii(text)[1:-1]
