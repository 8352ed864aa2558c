"""`completion`: a script with which a shell completes commands and flags."""

import argparse

import shtab

SHELLS = ("bash", "zsh", "fish")
TEXT = "print a script with which a shell completes commands and flags"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("shell", choices=SHELLS)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    print(shtab.complete(options.parser, options.shell))
