"""A socket that systemd opened is taken over."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from testing.collecting import PATH, blob, write_collect_config
from testing.processes import unused_port
from testing.waiting import WAIT_SECONDS

EXEC = """
import os, sys
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[1], sys.argv[1:])
"""


@contextmanager
def activated(config: Path, listener: socket.socket) -> Iterator[None]:
    """Run the daemon as systemd would: the socket is its third descriptor."""
    saved = os.dup(3) if Path("/proc/self/fd/3").exists() else None
    os.dup2(listener.fileno(), 3)
    command = [sys.executable, "-m", "exporter", "serve", f"--config.file={config}"]
    command.append(f"--web.listen-address=127.0.0.1:{unused_port()}")
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", EXEC, *command],
            pass_fds=[3],
            cwd=config.parent,
            env={**os.environ, "LISTEN_FDS": "1", "LISTEN_FDNAMES": "collect"},
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
