"""What a start, a terminal or a file may lack ends in one clear line, never in a traceback."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from exporter.commands.check_text import describe
from exporter.config import load
from exporter.ingest.definitions import use_definitions
from exporter.ports import StoreError
from testing.exporter_process import write_config
from testing.waiting import WAIT_SECONDS, eventually
from tests.builders import BOUNCE, persona, row, sqlite_store

SOURCE = "data_server: {url: 'http://127.0.0.1:9/'}\n"


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "exporter", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=WAIT_SECONDS,
    )


def test_a_terminal_without_a_character_shows_its_number(tmp_path: Path) -> None:
    config = tmp_path / "kpi.yml"
    config.write_text(SOURCE + "segmentations: {Örtlich: {field: a, segments: [Zürich]}}", "utf-8")
    checked = run("check", f"--config.file={config}", PYTHONIOENCODING="ascii", LC_ALL="C")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "\\xd6rtlich: a" in checked.stdout


@pytest.mark.parametrize("characters", [30, 94, 400])
def test_check_has_room_for_any_name_of_a_step(characters: int) -> None:
    name = "x" * characters
    flow = f"{{extends: persona, a: {{steps: [{{name: {name}, event: there}}]}}}}"
    assert f"    {name}" in describe(load(f"{SOURCE}flows: {flow}", {}))


def test_a_mark_at_the_beginning_of_a_secret_file_is_none_of_the_secret(tmp_path: Path) -> None:
    (tmp_path / "password").write_bytes(b"\xef\xbb\xbfsecret\n")
    config = tmp_path / "kpi.yml"
    config.write_text(
        SOURCE + "store: {url: 'couchdb://127.0.0.1:1/a', username: a, password_file: password}"
    )
    password = load(config, {}).store.password
    assert password is not None
    assert password.reveal() == "secret"


def test_demo_says_at_once_that_its_address_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = run("demo", f"--web.listen-address={address}")
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert f"cannot listen on {address}" in line
    assert "--web.listen-address names another" in line


def test_sighup_never_ends_a_daemon_that_starts(tmp_path: Path) -> None:
    config = write_config(tmp_path / "kpi.yml", "http://127.0.0.1:9/")
    log = tmp_path / "log"
    with log.open("w") as errors:
        daemon = subprocess.Popen(
            [sys.executable, "-m", "exporter", "serve", f"--config.file={config}"],
            stderr=errors,
            cwd=tmp_path,
        )
        try:
            eventually(lambda: _blocks_sighup(daemon.pid) or b"listening" in log.read_bytes())
            daemon.send_signal(signal.SIGHUP)
            eventually(lambda: b"configuration reloaded" in log.read_bytes())
            assert daemon.poll() is None
        finally:
            daemon.terminate()
            assert daemon.wait(WAIT_SECONDS) == 0


def _blocks_sighup(process: int) -> bool:
    (blocked,) = [
        line
        for line in Path(f"/proc/{process}/status").read_text().splitlines()
        if line.startswith("SigBlk")
    ]
    return bool(int(blocked.split()[1], 16) & 1)


def test_damaged_definitions_are_one_line_with_a_way_out(tmp_path: Path) -> None:
    store = sqlite_store(tmp_path / "kpi.db", [row(*BOUNCE)])
    store.remember("definitions", '{"segmentations": 3}')
    with pytest.raises(StoreError, match="bring back what is in this one with `kpi-exporter copy"):
        use_definitions(store, persona())
