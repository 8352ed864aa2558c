"""The reference of the commands, from the command line itself."""

import argparse
from collections.abc import Iterable, Iterator, Mapping

from exporter.commands.main import command_line

PROGRAM = "kpi-exporter"


def commands() -> str:
    """Write the flags that all commands share, then a section for each command."""
    parsers = subcommands(command_line())
    common = common_flags(parsers.values())
    return "\n".join(
        line
        for part in (
            _flags("### All commands", "", parsers["check"], common),
            *(
                _command(name, parser, [f for f in flags(parser) if f not in common])
                for name, parser in parsers.items()
            ),
        )
        for line in part
    )


def subcommands(parser: argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    """Return the parser of each command, by name."""
    (choices,) = (a.choices for a in actions(parser) if isinstance(a.choices, Mapping))
    return dict(choices)


def actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Return the arguments of a parser; argparse has no public way to them."""
    return list(parser._actions)  # noqa: SLF001


def flags(parser: argparse.ArgumentParser) -> list[str]:
    """Return how the arguments of a command are written, each by its longest form."""
    return [_written(action) for action in actions(parser)]


def common_flags(parsers: Iterable[argparse.ArgumentParser]) -> list[str]:
    """Return the flags that every command has."""
    first, *rest = parsers
    return [flag for flag in flags(first) if all(flag in flags(other) for other in rest)]


def _written(action: argparse.Action) -> str:
    return action.option_strings[-1] if action.option_strings else _place(action)


def _place(action: argparse.Action) -> str:
    """Name an argument that has no dashes."""
    name = str(action.metavar or "|".join(action.choices or ()) or action.dest)
    return f"[{name}]" if action.nargs == "?" else name


def _command(name: str, parser: argparse.ArgumentParser, own: list[str]) -> Iterator[str]:
    places = [a for a in actions(parser) if not a.option_strings]
    usage = " ".join([PROGRAM, name, *map(_place, places)])
    about = f"`{usage}`: {parser.description}."
    yield from _flags(f"### `{name}`", about, parser, own)


def _flags(
    heading: str, about: str, parser: argparse.ArgumentParser, shown: list[str]
) -> Iterator[str]:
    yield from (heading, "")
    if about:
        yield from (about, "")
    if not shown:
        return
    yield "| argument | meaning |"
    yield "| --- | --- |"
    for action in actions(parser):
        if _written(action) in shown:
            yield f"| `{_usage(action)}` | {_meaning(action, parser)} |"
    yield ""


def _usage(action: argparse.Action) -> str:
    written = _written(action)
    if not action.option_strings or action.nargs == 0:
        return written.replace("|", "\\|")
    choices = "\\|".join(map(str, action.choices or ()))
    return f"{written} {choices or action.metavar or action.dest.upper()}"


def _meaning(action: argparse.Action, parser: argparse.ArgumentParser) -> str:
    formatter = argparse.HelpFormatter(prog=parser.prog)
    help_ = formatter._expand_help(action) if action.help else ""  # noqa: SLF001
    if not help_ and action.default is not None:
        help_ = f"(default: {action.default})"
    return help_.replace("|", "\\|").replace("<", "&lt;")
