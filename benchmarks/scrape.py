"""A scrape of 5,000 series, against node_exporter serving a text file of the same series."""

import http.client
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.corpora import config_file, corpus, served
from benchmarks.figures import RUNS, Figure, Goal, median, percentile

REQUESTS = 300
NODE_EXPORTER = "prometheus-node-exporter"


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def _running(command: list[str], port: int, path: str) -> Iterator[int]:
    """Run a program until it answers and as long as it is needed; give its process id."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 300
            while not _answers(port, path):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{command[0]} does not answer")
                time.sleep(0.05)
            yield process.pid
        finally:
            process.terminate()


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def latencies(port: int, requests: int, *, gzip: bool) -> list[float]:
    """Scrape so often on one connection that is kept; seconds of each."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Accept-Encoding": "gzip"} if gzip else {}
    times = []
    for _ in range(requests):
        began = time.perf_counter()
        connection.request("GET", "/metrics", headers=headers)
        connection.getresponse().read()
        times.append(time.perf_counter() - began)
    connection.close()
    return times


def _serve(config: Path, port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "exporter", "serve", f"--config.file={config}"),
        f"--web.listen-address=127.0.0.1:{port}",
    ]


def run(rows: int, runs: int = RUNS) -> Iterator[Figure]:
    """Measure both in turn, idle; then the exporter while it imports at full speed."""
    with tempfile.TemporaryDirectory() as name, served(corpus(min(rows, 100_000))) as url:
        folder, port = Path(name), _free_port()
        with _running(_serve(config_file(folder, url), port), port, "/-/ready"):
            if shutil.which(NODE_EXPORTER) is not None:
                yield from _against_node_exporter(folder, port, runs)
            else:
                print(f"skipped: scrapes against {NODE_EXPORTER}, which is not installed")
            idle = [percentile(latencies(port, REQUESTS, gzip=False), 0.99) for _ in range(runs)]
    yield from _during_import(rows, median(idle))


def _against_node_exporter(folder: Path, port: int, runs: int) -> Iterator[Figure]:
    texts, other = folder / "texts", _free_port()
    texts.mkdir()
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/metrics")
    kpis = [
        line
        for line in connection.getresponse().read().decode().splitlines()
        if line.removeprefix("# HELP ").removeprefix("# TYPE ").startswith("kpi_")
    ]
    (texts / "kpis.prom").write_text("\n".join(kpis) + "\n")
    command = [
        *(NODE_EXPORTER, "--collector.disable-defaults", "--collector.textfile"),
        f"--collector.textfile.directory={texts}",
        f"--web.listen-address=127.0.0.1:{other}",
    ]
    with _running(command, other, "/metrics"):
        for gzip in (False, True):
            rates, tails = [], []
            for _ in range(runs):
                theirs = latencies(other, REQUESTS, gzip=gzip)
                ours = latencies(port, REQUESTS, gzip=gzip)
                rates.append(sum(theirs) / sum(ours))
                tails.append(percentile(ours, 0.99) / percentile(theirs, 0.99))
            form = "gzip" if gzip else "plain"
            yield Figure(
                what=f"scrapes a second, {len(kpis)} lines, {form}",
                value=median(rates),
                unit="of node_exporter's",
                goal=Goal(at_least=1.0),
                against="node_exporter with a text file of the same series",
            )
            yield Figure(
                what=f"99th percentile of a scrape, {form}",
                value=median(tails),
                unit="of node_exporter's",
                goal=Goal(at_most=1.0),
            )


def _during_import(rows: int, idle: float) -> Iterator[Figure]:
    """Scrape while a corpus comes in, the first import, at full speed; then look at the memory."""
    with tempfile.TemporaryDirectory() as name, served(corpus(rows)) as url:
        folder, port = Path(name), _free_port()
        serve = _serve(config_file(folder, url), port)
        with _running(serve, port, "/-/healthy") as process:
            busy: list[float] = []
            while not _answers(port, "/-/ready"):
                busy += latencies(port, 50, gzip=False)
            latencies(port, REQUESTS, gzip=True)
            steady, peak = _memory(process, "VmRSS"), _memory(process, "VmHWM")
    yield Figure(
        what="99th percentile of a scrape during an import",
        value=percentile(busy, 0.99) / idle,
        unit="of idle",
        goal=Goal(at_most=3),
        against="the same without an import",
    )
    yield Figure(
        what="slowest scrape during an import",
        value=max(busy) * 1000,
        unit="ms",
        goal=Goal(at_most=50),
    )
    yield Figure(
        what=f"memory of serve once {rows:,} are imported",
        value=steady,
        unit="MiB",
        goal=Goal(at_most=120),
    )
    yield Figure(
        what=f"peak memory of serve while {rows:,} are imported",
        value=peak,
        unit="MiB",
        goal=Goal(at_most=200),
    )


def _memory(process: int, name: str) -> float:
    """Read a line of the kernel's account of a process; MiB."""
    for line in Path(f"/proc/{process}/status").read_text("utf-8").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise LookupError(name)
