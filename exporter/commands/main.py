"""The command line: arguments and exit codes."""

import argparse
import errno
import gc
import io
import os
import re
import sys
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from typing_extensions import override

from exporter import __version__, logs
from exporter.addresses import ListenError
from exporter.commands.common import CommandError, UsageError
from exporter.crash import end_out_of_memory, end_where_memory_is_out
from exporter.documents import DocumentError
from exporter.ports import SourceError, StoreError

DONE, FAILED, MISUSED = 0, 1, 2  # 2 is argparse's as well
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # adapters translate what befalls other files
_GARBAGE_AFTER = 50_000  # objects: an import makes no cycles, and looked for them at each 700
DEFAULT_CONFIG = Path("kpi-exporter.yml")

COMMANDS: Mapping[str, str] = {
    "serve": "import on a schedule, compute and expose, until told to stop",
    "demo": "serve against a fake KPIggybank that is started along with it, on a temporary store",
    "check": "say what the configuration means, or all that is wrong with it",
    "import": "import once, from the source or from files, and exit",
    "report": "print a report",
    "backfill": "write the KPIs of the past as OpenMetrics, for promtool to make blocks of",
    "rejected": "list the rows that were refused, show one, or try them again",
    "explain": "say where a number comes from, down to single interactions",
    "segments": "list the values behind each segment of a segmentation, with their counts",
    "verify": "recompute what is counted from the stored interactions, and say what differs",
    "copy": "move everything from one store to another; stopped, it goes on where it was",
    "completion": "print a script with which a shell completes commands and flags",
}
_MODULES = {"import": "import_"}  # where a name is a word of Python's


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code."""
    _escape_what_cannot_be_shown()
    parser, _ = _command_line()
    options = parser.parse_args(arguments)
    logs.set_up(options.log_level, options.log_format)
    end_where_memory_is_out()
    gc.set_threshold(_GARBAGE_AFTER)
    try:
        code = int(options.run(options) or DONE)
        if sys.stdout is not None:  # it was closed before we began
            sys.stdout.flush()
    except DocumentError as error:
        _say(str(error))  # each line names the file and the place in it
    except (CommandError, ListenError, SourceError, StoreError) as error:
        _say(f"kpi-exporter {options.command}: {error}")
        return MISUSED if isinstance(error, UsageError) else FAILED
    except BrokenPipeError:  # the reader of a pipe left: nothing more to say to it
        _leave_output()
    except OSError as error:
        if error.errno not in _FULL:
            raise
        _say(f"kpi-exporter {options.command}: standard output cannot be written: {error.strerror}")
        _leave_output()
    except MemoryError:
        end_out_of_memory()
    except KeyboardInterrupt:
        _say(f"kpi-exporter {options.command}: interrupted; what was stored stays")
    else:
        return code
    return FAILED


def _escape_what_cannot_be_shown() -> None:
    """Show the number of a character that a terminal lacks, rather than fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _leave_output() -> None:
    """Discard what is still to be written, rather than fail once more at the exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


class _Parser(argparse.ArgumentParser):
    """An `ArgumentParser` that finds the name which was meant."""

    @override
    def error(self, message: str) -> NoReturn:
        found = re.search(r"invalid choice: '([^']*)'", message)
        close = get_close_matches(found[1], COMMANDS, n=1) if found else []
        super().error(
            f"no command {found[1]!r}; did you mean {close[0]}?" if found and close else message
        )


class _CommandParser(_Parser):
    """The parser of one command, whose module is imported when it is chosen: that takes time."""

    @override
    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        self.load()
        return super().parse_known_args(args, namespace)

    def load(self) -> None:
        """Import the command's module, and add the flags that it has."""
        if self.get_default("run") is None:
            name = self.prog.rpartition(" ")[2]
            module = import_module(f"exporter.commands.{_MODULES.get(name, name)}")
            module.add_arguments(self)
            self.set_defaults(run=module.run)


def command_line() -> argparse.ArgumentParser:
    """Return which commands there are and what they take, with every flag of each."""
    parser, commands = _command_line()
    for command in commands:
        command.load()
    return parser


def _command_line() -> tuple[argparse.ArgumentParser, Sequence[_CommandParser]]:
    """Return the parser of the command line, and those of the commands."""
    parser = _Parser(
        prog="kpi-exporter",
        description="Sign-in interaction data as KPIs for Prometheus.",
        allow_abbrev=False,
    )
    _add_common(parser, before=True)
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", parser_class=_CommandParser
    )
    found = []
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        _add_common(command, before=False)
        found.append(command)
    return parser, found


def _add_common(parser: argparse.ArgumentParser, *, before: bool) -> None:
    """Add what may stand before the command, with the defaults, as well as after it."""
    parser.add_argument("--version", action="version", version=f"kpi-exporter {__version__}")
    parser.add_argument(
        "--config.file",
        dest="config_file",
        type=Path,
        default=DEFAULT_CONFIG if before else argparse.SUPPRESS,
        metavar="FILE",
        help=f"the configuration (default: {DEFAULT_CONFIG})",
    )
    parser.add_argument(
        "--log.level",
        dest="log_level",
        choices=logs.LEVELS,
        default="info" if before else argparse.SUPPRESS,
        help="the least that is logged (default: info)",
    )
    parser.add_argument(
        "--log.format",
        dest="log_format",
        choices=logs.FORMATS,
        default="logfmt" if before else argparse.SUPPRESS,
        help="how a log line is written (default: logfmt)",
    )
