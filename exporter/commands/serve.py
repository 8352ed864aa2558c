"""`serve`: the daemon."""

import argparse
from pathlib import Path

from typing_extensions import override

from exporter.commands.common import CommandError, load_configuration
from exporter.daemon.serve import WebFlags, serve


class _Once(argparse.Action):
    """A flag that may be given once: of two addresses one would be listened on, unnoticed."""

    @override
    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        if getattr(namespace, self.dest) is not None:
            parser.error(f"{option_string}: expected once, as one address is listened on")
        setattr(namespace, self.dest, values)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument(
        "--web.listen-address",
        dest="listen",
        action=_Once,
        metavar="ADDRESS",
        help="host:port to listen on (default: web.listen of the configuration)",
    )
    parser.add_argument(
        "--web.systemd-socket",
        dest="systemd_socket",
        action="store_true",
        help="take the sockets that systemd opened instead of listening on an address",
    )
    parser.add_argument(
        "--web.config.file",
        dest="web_config",
        type=Path,
        metavar="FILE",
        help="TLS and authentication, in the format of Prometheus' exporter-toolkit",
    )
    parser.add_argument(
        "--web.enable-lifecycle",
        dest="lifecycle",
        action="store_true",
        help="let POST /-/reload read the configuration again",
    )


def web_flags(options: argparse.Namespace) -> WebFlags:
    """Return the flags of the web. Raises `CommandError`."""
    if options.systemd_socket and options.listen is not None:
        raise CommandError("expected --web.listen-address or --web.systemd-socket, found both")
    return WebFlags(
        listen=options.listen,
        systemd_socket=options.systemd_socket,
        config_file=options.web_config,
        lifecycle=options.lifecycle,
    )


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    web = web_flags(options)
    configuration = load_configuration(options)
    return serve(configuration, config_file=options.config_file, web=web)
