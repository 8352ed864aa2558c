"""`demo`: the daemon against a fake KPIggybank that it starts itself."""

import argparse
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from exporter.commands import serve
from exporter.commands.common import CommandError
from exporter.commands.sign_in import SignInPage
from exporter.config import load
from exporter.daemon import serve as daemon
from exporter.web.sockets import bind

DAYS = 91

_ENDING = (signal.SIGINT, signal.SIGTERM)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    serve.add_arguments(parser)
    parser.add_argument(
        "--collect",
        action="store_true",
        help="without a KPIggybank: serve an example sign-in page, and collect what happens on it",
    )


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    try:
        return _run_collecting(options) if options.collect else _run(options)
    except KeyboardInterrupt:
        return 0  # the daemon had not begun; there is nothing that could be kept


def _run(options: argparse.Namespace) -> int:
    # One that is taken is found out before the data are generated.
    bind(options.listen or load(_configuration("http://127.0.0.1", Path()), {}).listen).close()
    signals: list[int] = []
    for number in _ENDING:  # a process that is half started could not be ended
        signal.signal(number, lambda number, _: signals.append(number))
    with (
        tempfile.TemporaryDirectory(prefix="kpi-exporter-demo-") as folder,
        subprocess.Popen(  # noqa: S603 -- our own module
            [sys.executable, "-m", "fake_server", "--port", "0", "--days", str(DAYS), "--live"],
            stdout=subprocess.PIPE,
            text=True,
        ) as fake,
    ):
        try:
            for number in _ENDING:  # until the daemon listens to them
                signal.signal(number, signal.default_int_handler)
            if signals:
                raise KeyboardInterrupt
            address = _address(fake)
            configuration = load(_configuration(address, Path(folder)), {})
            return daemon.serve(
                configuration,
                config_file=None,
                web=serve.web_flags(options),
                on_listening=lambda base, _: _tell(base, address),
            )
        finally:
            fake.kill()  # it would finish its 91 days first, and has nothing to keep


def _run_collecting(options: argparse.Namespace) -> int:
    page = SignInPage()
    with tempfile.TemporaryDirectory(prefix="kpi-exporter-demo-") as folder:
        configuration = load(
            f"store: {{url: 'sqlite:{Path(folder) / 'kpi.db'}'}}\n"
            f"collect: {{listen: '127.0.0.1:0', allow_origins: ['{page.origin}']}}\n",
            {},
        )
        return daemon.serve(
            configuration,
            config_file=None,
            web=serve.web_flags(options),
            on_listening=lambda base, collector: _show_page(page, base, collector),
        )


def _address(fake: subprocess.Popen[str]) -> str:
    line = fake.stdout.readline() if fake.stdout else ""
    found = next((word for word in line.split() if word.startswith("http://")), None)
    if found is None:
        raise CommandError(f"the fake KPIggybank did not start (it said {line.strip()!r})")
    return found.removesuffix("/").removesuffix("/wsapi/interaction_data")


def _configuration(address: str, folder: Path) -> str:
    return (
        f"data_server: {{url: '{address}/wsapi/interaction_data'}}\n"
        f"store: {{url: 'sqlite:{folder / 'kpi.db'}'}}\n"
        f"import: {{every: 1m, history: {DAYS + 1}d}}\n"
    )


def _tell(base: str, fake: str) -> None:
    base = base.removesuffix("/")
    print(
        f"\n  the page     {base}/"
        f"\n  the metrics  {base}/metrics"
        f"\n  a report     {base}/data/bounce_rate?segmentation=OS"
        f"\n  the source   {fake}/wsapi/interaction_data (a fake KPIggybank, {DAYS} days)"
        "\n\n  Ctrl-C ends it; nothing is kept.\n",
        flush=True,
    )


def _show_page(page: SignInPage, base: str, collector: str) -> None:
    page.start(collector)
    base = base.removesuffix("/")
    print(
        f"\n  sign in      {page.origin}/ (any address and password; then close the tab, or reload)"
        f"\n  the page     {base}/"
        f"\n  the metrics  {base}/metrics"
        "\n\n  What you do is on the page within ten seconds. Ctrl-C ends it; nothing is kept.\n",
        flush=True,
    )
