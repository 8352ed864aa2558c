"""Real programs under test: started on free ports, awaited, ended by their own process id."""

import os
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import requests

from testing.waiting import WAIT_SECONDS, eventually


def unused_port() -> int:
    """A TCP port of the loopback interface that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def answers(url: str) -> bool:
    """Whether an HTTP server at `url` says that it is well."""
    try:
        return requests.get(url, timeout=WAIT_SECONDS).ok
    except requests.RequestException:
        return False


@contextmanager
def running(
    *command: str | Path,
    ready: Callable[[], bool],
    directory: Path,
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `command` in `directory` from the moment it is ready until the block ends.

    Its output goes to `output.log` there, and into the error if it ends before it is ready.
    `environment` comes on top of this process's own.
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
            eventually(lambda: process.poll() is not None or ready())
            if process.poll() is not None:
                printed = log.read_text(errors="replace")
                raise ChildProcessError(f"{command[0]} ended: {process.returncode}\n{printed}")
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=WAIT_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
