"""`check`: what the configuration means, or everything that is wrong with it."""

import argparse
import json
from contextlib import closing

from exporter.commands.check_text import describe
from exporter.commands.common import CommandError, load_configuration
from exporter.config import Configuration, json_schema
from exporter.domain.classify.evaluator import Evaluator
from exporter.maintenance.site_values import unusable_sites
from exporter.ports import StoreError
from exporter.wiring import is_file, open_store

_DAY_MS = 86_400_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument(
        "--schema", action="store_true", help="print the configuration's JSON Schema, for editors"
    )


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    if options.schema:
        print(json.dumps(json_schema(), indent=2))
        return
    configuration = load_configuration(options)
    print(describe(configuration))
    if wrong := _wrong_with_sites(configuration):
        raise CommandError(f"sites: {wrong}")


def _wrong_with_sites(configuration: Configuration) -> str:
    """Return what the newest stored interactions show of the field, if there are any in a file."""
    if not is_file(configuration.store):
        return ""
    try:
        with closing(open_store(configuration.store)) as store:
            newest_ms = store.stats().newest_ms
            if newest_ms is None:
                return ""
            newest = store.interactions(newest_ms - _DAY_MS, newest_ms + 1)
            return unusable_sites(newest, Evaluator(configuration.definitions))
    except StoreError:
        return ""  # the store is not what is checked
