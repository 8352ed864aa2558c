"""`kpi-exporter`, and `python -m exporter`."""

import signal
import sys

_RELOADED = ("serve", "demo")


def main() -> int:
    """Run a command; return its exit code.

    Until the daemon can reload, SIGHUP waits: it would end the process, and a daemon is reloaded
    as soon as its configuration is changed.
    """
    if any(command in sys.argv[1:] for command in _RELOADED):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    from exporter.commands.main import main as run  # noqa: PLC0415 -- it takes a while

    return run()


if __name__ == "__main__":
    sys.exit(main())
