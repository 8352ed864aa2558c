"""`check`: what the configuration means, or everything that is wrong with it."""

import argparse

from exporter.commands.check_text import describe
from exporter.commands.common import load_configuration

TEXT = "say what the configuration means, or all that is wrong with it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags: it has none of its own."""


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    print(describe(load_configuration(options)))
