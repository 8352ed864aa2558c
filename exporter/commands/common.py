"""What commands share: the configuration, and the parts that it names, opened and closed."""

import argparse
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime

from exporter.config import Configuration, load
from exporter.domain.classify.evaluator import Evaluator
from exporter.ingest.definitions import use_definitions
from exporter.ports import Store, StoreError
from exporter.wiring import exists, open_store


def load_configuration(options: argparse.Namespace) -> Configuration:
    """Read the configuration file. Raises `ConfigurationError`."""
    return load(options.config_file, os.environ)


class CommandError(Exception):
    """The command's work failed; exit code 1."""


class UsageError(CommandError):
    """The arguments do not go together, whatever the configuration; exit code 2."""


@contextmanager
def open_store_with_definitions(
    configuration: Configuration, *, create: bool = False
) -> Iterator[tuple[Store, Evaluator]]:
    """Open the store; yield it with the active definitions.

    They are the configuration's, unless the daemon has still to rebuild the tallies under those.
    Raises `StoreError`, for a missing file as well, unless it is to be created.
    """
    if not create and not exists(configuration.store):
        raise StoreError(
            f"{configuration.store.url} is not there: the first import makes it, and a path is"
            " looked for from the directory that a command is run in"
        )
    with closing(open_store(configuration.store)) as store:
        active, _ = use_definitions(store, configuration.definitions)
        yield store, active


def instant(text: str) -> datetime:
    """Read an ISO date or timestamp; UTC unless it says otherwise."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"an ISO date or timestamp was expected, not {text!r}"
        ) from error
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)


def day(text: str) -> date:
    """Read a date."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"YYYY-MM-DD was expected, not {text!r}") from error


def printable(text: str) -> str:
    """Write a text from outside so that no terminal takes it for commands."""
    return text if text.isprintable() else ascii(text)[1:-1]
