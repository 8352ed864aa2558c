"""`completion`: a script with which a shell completes commands and flags."""

import argparse

import shtab

from exporter.commands.main import command_line

SHELLS = ("bash", "zsh", "fish")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("shell", choices=SHELLS)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    print(shtab.complete(command_line(), options.shell))
