"""A reader's session with one page: files written, commands run, answers compared.

A ```yaml block whose first line is `# NAME` is written to that file. In a ```console block
lines after `$ ` are commands (`> ` continues one) and the others what they print, where `...`
stands for whatever. Commands run in one directory, each in a shell of its own. A daemon takes
the place of the one before on its port, and an answer of `curl` may take a moment to come true.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Self

from docs.pages import CHECKOUT, Block
from testing.processes import answers, running, unused_port
from testing.waiting import WAIT_SECONDS

EXPORTER, SOURCE = "3434", "3435"  # the ports that pages name, but for one tutorial
PORTS = {EXPORTER: (EXPORTER, "3444"), SOURCE: (SOURCE, "3445")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """A command that goes on: what it needs for free ports, and the path that says it is up."""

    command: str
    more: str
    port: str
    path: str


_LISTEN = f" --web.listen-address=127.0.0.1:{EXPORTER}"
DAEMONS = (
    Daemon(command="kpi-exporter demo", more=_LISTEN, port=EXPORTER, path="/-/healthy"),
    Daemon(command="kpi-exporter serve", more=_LISTEN, port=EXPORTER, path="/-/healthy"),
    Daemon(
        command="python3 -m fake_server", more=f" --port={SOURCE}", port=SOURCE, path="/wsapi/ping"
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A command and what it should print; empty is not compared."""

    command: str
    output: str


def steps(console: str) -> Iterator[Step]:
    """Take a ```console block apart."""
    for part in re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]:
        command, *rest = part.splitlines()
        while rest and rest[0].startswith("> "):
            command += "\n" + rest.pop(0).removeprefix("> ")
        yield Step(command=command, output="\n".join(rest).strip("\n"))


def matches(expected: str, printed: str) -> bool:
    """Return whether an output is the expected one, `...` being whatever."""
    lines = [re.escape(line.rstrip()).replace(r"\.\.\.", ".*") for line in expected.splitlines()]
    pattern = "".join("(?:.*\n)*" if line == ".*" else f"{line}\n" for line in lines)
    shown = "".join(f"{line.rstrip()}\n" for line in printed.strip("\n").splitlines())
    return re.fullmatch(pattern, shown) is not None


class Session:
    """One page's blocks, followed in order; what goes on is ended with the session.

    `demonstrated`: whether `make demo` is to run, and not only to be looked at.
    """

    def __init__(self, directory: Path, *, demonstrated: bool) -> None:
        self._demonstrated = demonstrated
        self._directory = directory
        self._ports = {port: str(unused_port()) for port in (EXPORTER, SOURCE)}
        self._running = {port: ExitStack() for port in self._ports}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for daemon in self._running.values():
            daemon.close()

    def follow(self, block: Block) -> None:
        """Do what a block says; fails if it does not go as it says."""
        if block.language == "console":
            for step in steps(block.text):
                self._take(step, block.place)
        elif name := written_to(block):
            (self._directory / name).write_text(self._here(block.text), encoding="utf-8")

    def _take(self, step: Step, place: str) -> None:
        command = as_run(step.command, demonstrated=self._demonstrated)
        for daemon in DAEMONS:
            if command.startswith(daemon.command):
                self._start(daemon, command)
                return
        expected = self._here(step.output)
        deadline = monotonic() + (WAIT_SECONDS if command.startswith("curl ") else 0)
        while True:
            done = self._run(command)
            right = done.returncode == 0 and (not expected or matches(expected, done.stdout))
            if right or monotonic() > deadline:
                break
            sleep(0.2)
        assert right, f"{place}: $ {step.command}\n{done.stdout}\nexpected:\n{expected}"

    def _run(self, command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/bash", "-e", "-o", "pipefail", "-c", self._here(command)],
            cwd=self._directory,
            env={**os.environ, **self._environment()},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def _start(self, daemon: Daemon, command: str) -> None:
        address = f"http://127.0.0.1:{self._ports[daemon.port]}{daemon.path}"
        apart = self._directory / daemon.port  # running() writes a log into its directory
        apart.mkdir(exist_ok=True)
        self._running[daemon.port].close()
        self._running[daemon.port].enter_context(
            running(
                "/bin/bash",
                "-c",
                f"cd ..; exec {self._here(command + daemon.more)}",
                ready=lambda: answers(address),
                directory=apart,
                environment=self._environment(),
            )
        )

    def _here(self, text: str) -> str:
        for port, free in self._ports.items():
            for named in PORTS[port]:
                text = text.replace(named, free)
        return text

    @staticmethod
    def _environment() -> Mapping[str, str]:
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {"PATH": programs, "COLUMNS": "100"}


def written_to(block: Block) -> str:
    """Name the file that a block is to be written to; empty if it is none."""
    first = re.match(r"# ([\w.-]+\.ya?ml)\b.*\n", block.text)
    return first[1] if block.language == "yaml" and first else ""


def as_run(command: str, *, demonstrated: bool) -> str:
    """Return a command as a test runs it: `make` is asked what it would do."""
    target = re.fullmatch(r"make ([a-z-]+)", command)
    if target is None:
        return command
    would = subprocess.run(
        ["/usr/bin/env", "make", "--dry-run", "--no-print-directory", target[1]],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert would.returncode == 0, would.stderr
    if target[1] == "demo":
        assert would.stdout.splitlines()[-1] == ".venv/bin/kpi-exporter demo"
        return "kpi-exporter demo" if demonstrated else "true"
    return "true"
