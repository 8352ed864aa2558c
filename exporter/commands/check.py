"""`check`: what the configuration means, or everything that is wrong with it."""

import argparse
import json

from exporter.commands.check_text import describe
from exporter.commands.common import load_configuration
from exporter.config import json_schema

TEXT = "say what the configuration means, or all that is wrong with it"


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
    print(describe(load_configuration(options)))
