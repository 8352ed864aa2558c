"""The real program under test: its commands, and the daemon, talked to over HTTP."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from typing import Any

import requests
from prometheus_client.parser import text_string_to_metric_families

from exporter.commands.main import main
from testing.processes import answers, running, unused_port
from testing.waiting import WAIT_SECONDS, eventually

LONG_AGO = {"import": {"every": "1h", "history": "6000d"}, "retention": "7000d"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """A `kpi-exporter serve` that runs; `output` is all that it said."""

    address: str
    process: subprocess.Popen[bytes]
    output: Path

    def get(self, path: str, **parameters: str) -> requests.Response:
        return requests.get(f"{self.address}{path}", params=parameters, timeout=WAIT_SECONDS)

    def data(self, name: str, **parameters: str) -> Any:
        answer = self.get(f"/data/{name}", **parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def metric(self, name: str, **labels: str) -> float:
        """The value of the one sample with these labels."""
        text = self.get("/metrics", **{"name[]": name}).text
        samples = [
            sample
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        assert len(samples) == 1, samples
        return float(samples[0].value)

    def imports(self, result: str) -> float:
        return self.metric("kpi_exporter_import_runs_total", result=result)

    def await_import(self) -> None:
        """Wait until an import has succeeded and its snapshot is exposed."""
        eventually(lambda: self.imports("success") >= 1)
        eventually(lambda: self.get("/-/ready").status_code == 200)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=WAIT_SECONDS)


def write_config(path: Path, source: str, **more: Any) -> Path:
    """Write a configuration (YAML is a superset of JSON) that imports from `source`."""
    content: dict[str, Any] = {
        "data_server": {"url": source},
        "store": {"url": f"sqlite:{path.parent / 'kpi.db'}"},
        **more,
    }
    path.write_text(json.dumps(content, indent=1))
    return path


def exporter(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of kpi-exporter to its end, in this process: starting one takes a second."""
    output, errors = TextIOWrapper(BytesIO(), write_through=True), StringIO()
    with chdir(cwd), redirect_stdout(output), redirect_stderr(errors):
        try:
            code = main([str(each) for each in arguments])
        except SystemExit as ended:  # as argparse does
            code = int(ended.code or 0)
    output.seek(0)
    return subprocess.CompletedProcess(arguments, code, output.read(), errors.getvalue())


def exporter_process(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of kpi-exporter to its end, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "exporter", *map(str, arguments)],
        cwd=cwd,
        check=False,
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
    )


@contextmanager
def daemon(
    config: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> Iterator[Daemon]:
    """Run `kpi-exporter serve` with a configuration, from listening to the block's end."""
    port = unused_port()
    address = f"http://127.0.0.1:{port}"

    with running(
        sys.executable,
        "-m",
        "exporter",
        "serve",
        f"--config.file={config}",
        f"--web.listen-address=127.0.0.1:{port}",
        *arguments,
        ready=lambda: answers(f"{address}/-/healthy"),
        directory=config.parent,
        environment=environment,
    ) as process:
        yield Daemon(address=address, process=process, output=config.parent / "output.log")
