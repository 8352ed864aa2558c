"""What runbooks have people type at night runs as it stands there.

Against a real exporter, its source and a real Alertmanager. What is about containers and services
of a machine is played by programs that only agree; `kpi-exporter` itself is one of them here, for
`test_reference.py` holds each of its calls to the command line.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from docs.pages import CHECKOUT, Block, blocks
from fake_server import FakeKpiggybank
from testing.exporter_process import daemon, write_config
from testing.processes import answers, running, unused_port

PLAYED = ("docker", "journalctl", "kpi-exporter", "sqlite3", "systemctl")
COMMANDS = [
    block
    for page in sorted((CHECKOUT / "docs/runbooks").glob("*.md"))
    for block in blocks(page)
    if block.language == "sh"
]


@pytest.fixture(scope="module")
def alertmanager_address(
    alertmanager: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    if shutil.which("amtool") is None:
        pytest.skip("amtool is missing; as root: apt-get install prometheus-alertmanager")
    address = f"127.0.0.1:{unused_port()}"
    with running(
        alertmanager,
        f"--config.file={CHECKOUT / 'prometheus/alertmanager.yml'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
        "--storage.path=.",
        ready=lambda: answers(f"http://{address}/-/ready"),
        directory=tmp_path_factory.mktemp("alertmanager"),
    ):
        yield address


@pytest.fixture(scope="module")
def night(
    alertmanager_address: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, Mapping[str, str], Mapping[str, str]]]:
    """A directory with a store, an environment, and where the addresses of runbooks really are."""
    directory = tmp_path_factory.mktemp("night")
    programs = directory / "programs"
    programs.mkdir()
    with FakeKpiggybank() as bank:
        config = write_config(directory / "kpi-exporter.yml", bank.url)
        with daemon(config, "--web.enable-lifecycle") as exporter:
            # What pip installs is a script, which pidof finds with -x alone.
            pidof = f'[ "$*" = "-sx kpi-exporter" ] && echo {exporter.process.pid}'
            plays = dict.fromkeys(PLAYED, "true") | {"pidof": pidof}
            for name, play in plays.items():
                (programs / name).write_text(f"#!/bin/sh\n{play}\n")
                (programs / name).chmod(0o755)
            environment = {
                "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
                "KPIGGYBANK": bank.address,
            }
            addresses = {
                "http://127.0.0.1:9093": f"http://{alertmanager_address}",
                "http://127.0.0.1:3434": exporter.address,
                "http://127.0.0.1:5984/_up": f"{bank.address}/wsapi/ping",
            }
            yield directory, environment, addresses


@pytest.mark.parametrize("block", COMMANDS, ids=lambda block: block.place)
def test_a_command_of_a_runbook_runs(
    block: Block, night: tuple[Path, Mapping[str, str], Mapping[str, str]]
) -> None:
    directory, environment, addresses = night
    script = block.text
    for written, real in addresses.items():
        script = script.replace(written, real)
    done = subprocess.run(
        ["/bin/bash", "-c", f"set -e\ngrep() {{ cat; }}\n{script}"],  # a play says nothing to find
        cwd=directory,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
