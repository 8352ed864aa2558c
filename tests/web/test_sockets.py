"""Sockets that systemd opened are taken over."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from testing.collecting import PATH, blob, write_collect_config
from testing.exporter_process import exporter_process
from testing.processes import unused_port
from testing.waiting import WAIT_SECONDS

EXEC = """
import os, sys
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[1], sys.argv[1:])
"""


@contextmanager
def activated(
    config: Path, listener: socket.socket, *flags: str, name: str = "collect"
) -> Iterator[None]:
    """Run the daemon as systemd would: the socket is its third descriptor."""
    saved = os.dup(3) if Path("/proc/self/fd/3").exists() else None
    os.dup2(listener.fileno(), 3)
    command = [sys.executable, "-m", "exporter", "serve", f"--config.file={config}"]
    command += flags or (f"--web.listen-address=127.0.0.1:{unused_port()}",)
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", EXEC, *command],
            pass_fds=[3],
            cwd=config.parent,
            env={**os.environ, "LISTEN_FDS": "1", "LISTEN_FDNAMES": name},
        )
    finally:
        if saved is not None:
            os.dup2(saved, 3)
            os.close(saved)
    try:
        yield
    finally:
        process.terminate()
        process.wait(WAIT_SECONDS)


def test_connections_wait_in_it_while_the_exporter_restarts(tmp_path: Path) -> None:
    config = write_collect_config(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}{PATH}"
        for _ in range(2):
            with activated(config, listener):  # posted at once: it is not listening itself yet
                answer = requests.post(url, json=blob(), timeout=WAIT_SECONDS)
                assert answer.status_code == 201


def test_the_web_is_served_from_the_sockets_that_are_not_for_collecting(tmp_path: Path) -> None:
    config = write_collect_config(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/-/healthy"
        with activated(config, listener, "--web.systemd-socket", name="kpi-exporter.socket"):
            assert requests.get(url, timeout=WAIT_SECONDS).status_code == 200


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        (["--web.systemd-socket"], "--web.systemd-socket: systemd passed no socket"),
        (
            ["--web.systemd-socket", "--web.listen-address=127.0.0.1:0"],
            "expected --web.listen-address or --web.systemd-socket, found both",
        ),
        (
            ["--web.listen-address=127.0.0.1:0", "--web.listen-address=127.0.0.1:0"],
            "--web.listen-address: expected once",
        ),
    ],
    ids=["no socket", "both", "two addresses"],
)
def test_what_cannot_be_listened_on_is_one_line(
    tmp_path: Path, flags: list[str], error: str
) -> None:
    config = write_collect_config(tmp_path)

    ended = exporter_process("serve", f"--config.file={config}", *flags, cwd=tmp_path)

    assert ended.returncode != 0
    assert error in ended.stderr.splitlines()[-1]
