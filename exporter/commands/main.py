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
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from typing_extensions import override

from exporter import __version__, logs
from exporter.commands import (
    backfill,
    check,
    completion,
    copy,
    demo,
    explain,
    import_,
    rejected,
    report,
    segments,
    serve,
    verify,
)
from exporter.commands.common import CommandError, UsageError
from exporter.config import ConfigurationError
from exporter.crash import end_out_of_memory, end_where_memory_is_out

DONE, FAILED, MISUSED = 0, 1, 2  # 2 is argparse's as well
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # adapters translate what befalls other files
_GARBAGE_AFTER = 50_000  # objects: an import makes no cycles, and looked for them at each 700
DEFAULT_CONFIG = Path("kpi-exporter.yml")

COMMANDS: Mapping[str, ModuleType] = {
    "serve": serve,
    "demo": demo,
    "check": check,
    "import": import_,
    "report": report,
    "backfill": backfill,
    "rejected": rejected,
    "explain": explain,
    "segments": segments,
    "verify": verify,
    "copy": copy,
    "completion": completion,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and give its exit code."""
    _escape_what_cannot_be_shown()
    options = command_line().parse_args(arguments)
    logs.set_up(options.log_level, options.log_format)
    end_where_memory_is_out()
    gc.set_threshold(_GARBAGE_AFTER)
    try:
        code = int(options.run(options) or DONE)
        if sys.stdout is not None:  # it was closed before we began
            sys.stdout.flush()
    except ConfigurationError as error:
        _say(str(error))  # each line names the file and the place in it
    except CommandError as error:
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


def command_line() -> argparse.ArgumentParser:
    """Return which commands there are and what they take; the reference is made of this."""
    parser = _Parser(
        prog="kpi-exporter",
        description="Sign-in interaction data as KPIs for Prometheus.",
        allow_abbrev=False,
    )
    _add_common(parser, before=True)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        command = commands.add_parser(
            name, help=module.TEXT, description=module.TEXT, allow_abbrev=False
        )
        _add_common(command, before=False)
        module.add_arguments(command)
        command.set_defaults(run=module.run, parser=parser)
    return parser


def _add_version(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--version", action="version", version=f"kpi-exporter {__version__}")


def _add_common(parser: argparse.ArgumentParser, *, before: bool) -> None:
    """Add what may stand before the command, with the defaults, as well as after it."""
    _add_version(parser)
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
