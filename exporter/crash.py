"""The end of the process where a restart heals what is wrong; nothing stored is lost."""

import os
import sys
import threading
from _thread import start_new_thread
from contextlib import suppress
from typing import NoReturn

import structlog

EXIT_CODE = 1
BORN_SECONDS = 20.0  # in which a thread runs, however busy the machine is
PROBED_BYTES = 8 << 20  # less than an import takes
_WITHOUT_LOG = b"kpi-exporter: out of memory\n"


def end_out_of_memory() -> NoReturn:
    """Exit at once, with one line in the log, for systemd or Compose to restart it."""
    try:
        structlog.get_logger().error(
            "out of memory, the process ends; if this comes again, allow it more"
        )
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001 -- there is no memory for the log, either
        with suppress(OSError):
            os.write(2, _WITHOUT_LOG)
    os._exit(EXIT_CODE)


def end_without_schedule() -> NoReturn:
    """Exit for a restart, as nothing is left that starts the work."""
    structlog.get_logger().error("the schedule has stopped, the process ends")
    sys.stderr.flush()
    os._exit(EXIT_CODE)


def end_where_memory_is_out() -> None:
    """Exit when any thread dies of a lack of memory, before it runs or later."""
    report, write = threading.excepthook, sys.unraisablehook

    def end_or_report(arguments: threading.ExceptHookArgs) -> None:
        if issubclass(arguments.exc_type, MemoryError):
            end_out_of_memory()
        report(arguments)

    def end_or_write(arguments: "sys.UnraisableHookArgs") -> None:
        if issubclass(arguments.exc_type, MemoryError):
            end_out_of_memory()
        write(arguments)

    threading.excepthook, sys.unraisablehook = end_or_report, end_or_write


def probe_memory() -> None:
    """Exit where there is no memory, or none for another thread.

    A thread that dies before it runs tells nobody, and `threading.Thread.start` waits for it for
    ever: whichever library started it, this finds it out.
    """
    born = threading.Event()
    try:
        bytearray(PROBED_BYTES)
        start_new_thread(born.set, ())
    except (MemoryError, RuntimeError):
        end_out_of_memory()
    if not born.wait(BORN_SECONDS):
        end_out_of_memory()
