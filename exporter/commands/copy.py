"""`copy`: everything from one store to another."""

import argparse
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import structlog

from exporter.clock import now
from exporter.commands.common import CommandError, UsageError, load_configuration
from exporter.commands.progress import track
from exporter.config import StoreSettings, store_at
from exporter.maintenance.copy import copy
from exporter.maintenance.recover import Salvaged, salvage
from exporter.ports import Store, StoreDamagedError
from exporter.wiring import exists, open_store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument(
        "--from",
        dest="source",
        required=True,
        metavar="URL",
        help="the store to copy, as in store.url; its user may stand in it, or in the"
        " configuration whose store it is",
    )
    parser.add_argument(
        "--from-password-file",
        dest="source_password_file",
        metavar="FILE",
        help="holds the password of that user; in an address others on the host would see it",
    )
    parser.add_argument(
        "--to", dest="target", required=True, metavar="URL", help="the store to copy to, likewise"
    )
    parser.add_argument(
        "--to-password-file",
        dest="target_password_file",
        metavar="FILE",
        help="holds the password of its user",
    )
    parser.add_argument(
        "--damaged",
        action="store_true",
        help="of a damaged store: add the interactions that can be read and are not there yet",
    )


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    source = _settings(options, "from", options.source, options.source_password_file)
    target = _settings(options, "to", options.target, options.target_password_file)
    if source.url == target.url:
        raise CommandError(f"--from and --to are the same store, {source.url}")
    if not exists(source):
        raise CommandError(f"--from {source.url} is not there")
    try:
        with closing(open_store(source)) as stored, closing(open_store(target)) as target_store:
            if options.damaged:
                _salvage(stored, target_store)
                return
            total = stored.stats().interactions
            steps = (copied.done for copied in copy(stored, target_store, now()))
            done = track(steps, "interactions copied", total)
    except StoreDamagedError as error:
        hint = "" if options.damaged else "; --damaged copies what can be read"
        raise CommandError(f"{error}{hint}") from error
    structlog.get_logger().info("copied", interactions=done)


def _salvage(damaged: Store, target: Store) -> None:
    last = Salvaged(added=0, lost_hours=0)

    def added() -> Iterator[int]:
        nonlocal last
        for last in salvage(damaged, target, now()):
            yield last.added

    track(added(), "interactions added", None)
    structlog.get_logger().info("salvaged", interactions=last.added, lost_hours=last.lost_hours)


def _settings(
    options: argparse.Namespace, flag: str, url: str, password_file: str | None
) -> StoreSettings:
    """Read an address; the configuration's store brings its own credentials along."""
    settings = store_at(url, password_file)
    if urlsplit(url).password is not None:
        raise UsageError(
            f"--{flag} holds a password, which others on the host can see; put it into a file and"
            f" name that with --{flag}-password-file"
        )
    if settings.username is None and options.config_file.exists():
        configured = load_configuration(options).store
        if configured.url == settings.url:
            return configured
    return settings
