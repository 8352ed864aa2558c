"""What commands share: the configuration, and the parts that it names, opened and closed."""

import argparse
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from difflib import get_close_matches

from exporter.config import Configuration, load
from exporter.domain.classify.evaluator import Evaluator
from exporter.ingest.definitions import rebuild_all, use_definitions
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
    Raises `StoreError`, for a missing file as well, unless it is to be created. Who may create it
    also rebuilds tallies that were lost.
    """
    if not create and not exists(configuration.store):
        raise StoreError(
            f"{configuration.store.url} is not there: the first import makes it, and a path is"
            " looked for from the directory that a command is run in"
        )
    with closing(open_store(configuration.store)) as store:
        active, pending = use_definitions(store, configuration.definitions)
        if create and pending is not None and store.must_rebuild():
            rebuild_all(store)
            active = pending
        yield store, active


def suggestion(text: str, known: Iterable[str]) -> str:
    """Return which of the known names was meant, or all of them where none is alike."""
    names = list(known)
    by_lower_case = {name.lower(): name for name in names}
    close = get_close_matches(text.lower(), by_lower_case, n=1)
    return f"did you mean {by_lower_case[close[0]]}?" if close else f"there are {', '.join(names)}"


def at_least(least: int) -> Callable[[str], int]:
    """Return what reads a whole number from `least` on."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"a number from {least} on was expected, not {text!r}")
        return int(text)

    return read


def printable(text: str) -> str:
    """Write a text from outside so that no terminal takes it for commands."""
    return text if text.isprintable() else ascii(text)[1:-1]
