"""The systemd unit is confined, and starts what the how-to installs."""

import re
import shutil
import subprocess

import pytest

from exporter.web.sockets import COLLECT
from tests.deploy.compose import CHECKOUT

UNIT = CHECKOUT / "deploy/systemd/kpi-exporter.service"


def test_its_exposure_is_low() -> None:
    """Below 2.0 of 10, by systemd's own measure."""
    analyze = shutil.which("systemd-analyze")
    if not analyze:
        pytest.skip("systemd-analyze is missing; as root: apt-get install systemd")
    checked = subprocess.run(
        [analyze, "security", "--offline=true", "--threshold=19", "--no-pager", UNIT],
        check=False,
        capture_output=True,
        text=True,
    )
    if "unrecognized option" in checked.stderr:
        pytest.skip("systemd-analyze is older than 250 and cannot look at a file")

    assert checked.returncode == 0, checked.stdout


def test_it_starts_what_the_how_to_installs_with_the_file_that_it_copies() -> None:
    started = re.search(
        r"^ExecStart=(\S+) serve --config\.file=(\S+)$", UNIT.read_text(), re.MULTILINE
    )
    assert started
    how_to = (CHECKOUT / "docs/how-to/systemd.md").read_text(encoding="utf-8")

    assert str(started[1]).removesuffix("/bin/kpi-exporter") in how_to
    assert started[2] in how_to


def test_its_store_lies_in_the_only_directory_that_it_may_write_to() -> None:
    state = re.search(r"^StateDirectory=(\S+)$", UNIT.read_text(), re.MULTILINE)
    assert state
    configuration = (CHECKOUT / "deploy/systemd/kpi-exporter.yml").read_text(encoding="utf-8")

    assert f"sqlite:/var/lib/{state[1]}/" in configuration


def test_the_socket_hands_over_what_the_exporter_looks_for() -> None:
    folder = CHECKOUT / "deploy/systemd"
    listening = (folder / "kpi-exporter-collect.socket").read_text(encoding="utf-8")

    assert f"FileDescriptorName={COLLECT}\n" in listening
    assert f"Service={UNIT.name}\n" in listening
    drop_in = (folder / "kpi-exporter-collect.conf").read_text(encoding="utf-8")
    assert "Sockets=kpi-exporter-collect.socket\n" in drop_in


def test_the_web_socket_is_taken_by_what_its_drop_in_starts() -> None:
    folder = CHECKOUT / "deploy/systemd"
    listening = (folder / "kpi-exporter.socket").read_text(encoding="utf-8")
    drop_in = (folder / "kpi-exporter-socket.conf").read_text(encoding="utf-8")

    assert f"FileDescriptorName={COLLECT}\n" not in listening
    assert f"Service={UNIT.name}\n" in listening
    assert "Sockets=kpi-exporter.socket\n" in drop_in
    started = re.search(r"^ExecStart=.+$", UNIT.read_text(), re.MULTILINE)
    assert started
    assert f"ExecStart=\n{started[0]} --web.systemd-socket\n" in drop_in
