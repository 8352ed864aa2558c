"""The end of the process where memory is out: a restart heals that, and nothing stored is lost."""

import os
import sys
import threading
from contextlib import suppress
from typing import NoReturn

import structlog

EXIT_CODE = 1
_WITHOUT_LOG = b"kpi-exporter: out of memory\n"


def end_out_of_memory() -> NoReturn:
    """End the process at once, with one line in the log, for systemd or Compose to restart it."""
    try:
        structlog.get_logger().error(
            "out of memory, the process ends; if this comes again, allow it more"
        )
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001 -- there is no memory for the log, either
        with suppress(OSError):
            os.write(2, _WITHOUT_LOG)
    os._exit(EXIT_CODE)


def end_where_memory_is_out() -> None:
    """End the process when any thread dies of a lack of memory, begun or not."""
    report_thread, report_unraisable = threading.excepthook, sys.unraisablehook

    def thread(arguments: threading.ExceptHookArgs) -> None:
        if issubclass(arguments.exc_type, MemoryError):
            end_out_of_memory()
        report_thread(arguments)

    def unraisable(arguments: "sys.UnraisableHookArgs") -> None:
        if issubclass(arguments.exc_type, MemoryError):
            end_out_of_memory()
        report_unraisable(arguments)

    threading.excepthook, sys.unraisablehook = thread, unraisable
