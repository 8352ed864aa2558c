"""Real programs under test: started on free ports, awaited, ended by their own process id."""

import os
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.waiting import eventually


def unused_port() -> int:
    """A TCP port of the loopback interface that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def answers(url: str) -> bool:
    """Whether an HTTP server at `url` says that it is well."""
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False


@contextmanager
def running(
    *command: str | Path,
    ready: Callable[[], bool],
    directory: Path,
    environment: Mapping[str, str] | None = None,
    within: float = 30.0,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `command` in `directory` from the moment it is ready until the block ends.

    Its output goes to `output.log` there and into the failure if it is not ready within so
    many seconds. `environment` comes on top of this process's own.
    """
    log = directory / "output.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command,
            cwd=directory,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            eventually(lambda: process.poll() is not None or ready(), within=within)
            if process.poll() is not None:
                said = log.read_text(errors="replace")
                pytest.fail(f"{command[0]} ended with {process.returncode}:\n{said}")
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
