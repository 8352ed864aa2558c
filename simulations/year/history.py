"""A year of simulated users, through the fake server, the exporter and its backfill."""

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from exporter.metrics.families import FAMILIES
from simulations.year.incidents import END, FIRST, Trouble
from testing.exporter_process import write_config
from testing.processes import answers, running, unused_port
from testing.rulebook import rules_of

CONFIG = "config.yml"
HOUR = timedelta(hours=1)
ROLLOUT_SECONDS = 14 * 86_400
LABELS = b'{job="kpi-exporter",instance="exporter:3434"}'
WATCHED = (b'window="1h"', b'window="6h"', b'window="1d"')
MONTH = b'window="30d"'


def imported(directory: Path, *, per_day: int, seed: int, troubles: Sequence[Trouble]) -> None:
    """Simulate the users and import them, as far as the directory does not hold them yet."""
    days = (END - FIRST) // timedelta(days=1)
    (directory / "incidents.json").write_text(json.dumps([each.told() for each in troubles]))
    if not (directory / "corpus/corpus.json").exists():
        _run(
            "fake_server.corpus",
            "corpus",
            f"--seed={seed}",
            f"--rows={per_day * days}",
            f"--days={days}",
            f"--until={END.isoformat()}",
            "--incidents=incidents.json",
            directory=directory,
        )
    write_config(
        directory / CONFIG,
        f"http://127.0.0.1:{(port := unused_port())}/wsapi/interaction_data",
        windows=["1h", "6h", "1d", "30d"],
        segment_windows=["6h", "1d", "30d"],
        retention="20000d",
    )
    if (done := directory / "imported").exists():
        return
    with running(
        sys.executable,
        "-m",
        "fake_server",
        "--file=corpus",
        f"--port={port}",
        ready=lambda: answers(f"http://127.0.0.1:{port}/wsapi/ping"),
        directory=directory,
        environment={"PYTHONPATH": str(Path.cwd())},
    ):
        span = (f"--config.file={CONFIG}", f"--since={FIRST:%Y-%m-%d}")
        _run("exporter", "import", *span, f"--until={END:%Y-%m-%d}", directory=directory)
    done.touch()


def backfilled(directory: Path) -> Iterator[bytes]:
    """Yield the KPIs of every hour, as lines of OpenMetrics."""
    yield from _printed(
        "exporter",
        "backfill",
        f"--config.file={CONFIG}",
        f"--from={FIRST:%Y-%m-%d}",
        f"--to={END:%Y-%m-%d}",
        "--step=1h",
        "--label=job=kpi-exporter",
        "--label=instance=exporter:3434",
        directory=directory,
    )


def _run(module: str, *arguments: str, directory: Path) -> None:
    for line in _printed(module, *arguments, directory=directory):
        sys.stdout.buffer.write(line)


def _printed(module: str, *arguments: str, directory: Path) -> Iterator[bytes]:
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(
        command,
        cwd=directory,
        env={"PYTHONPATH": str(Path.cwd()), "TMPDIR": str(directory)},
        stdout=subprocess.PIPE,
    ) as process:
        yield from process.stdout or ()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)


def what_rules_read(history: Iterable[bytes], troubles: Sequence[Trouble]) -> Iterator[bytes]:
    """The lines of a history that the rules read, and what a scrape says of the exporter."""
    read = read_by_rules()
    for line in history:
        if (name := line.split(b"{", 1)[0]) in read:
            of_month = name in {b"kpi_segment_bounce_ratio", b"kpi_segment_abandonment_ratio"}
            if any(window in line for window in ((MONTH,) if of_month else WATCHED)):
                yield line
    for name in (
        b"kpi_snapshot_timestamp_seconds",
        b"kpi_exporter_import_last_success_timestamp_seconds",
    ):
        for hour in hours(FIRST):
            yield b"%s%s %d %d\n" % (name, LABELS, hour.timestamp(), hour.timestamp())
    for quiet in (each for each in troubles if each.quiet):
        for hour in hours(FIRST):
            yield b"kpi_quiet_day_timestamp_seconds%s %d %d\n" % (
                LABELS,
                quiet.start.timestamp(),
                hour.timestamp(),
            )


def read_by_rules() -> frozenset[bytes]:
    """Return the names of the exporter's families that the rules read."""
    named = {name for file in ("days", "kpis") for rule in rules_of(file) for name in rule.names()}
    patterns = {
        selector.name
        for file in ("days", "kpis")
        for rule in rules_of(file)
        for selector in rule.selectors()
    }
    plain = {"kpi_bounce_ratio"}  # what a plain threshold looks at
    return frozenset(
        family.name.encode()
        for family in FAMILIES
        if family.name in named | plain
        or any(re.fullmatch(pattern, family.name) for pattern in patterns)
    )


def in_a_cluster(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield each sample as two replicas expose it whose pods a rollout replaces every fortnight."""
    for line in lines:
        rollout = int(line.rsplit(b" ", 1)[1]) // ROLLOUT_SECONDS
        for replica in (b"a", b"b"):
            pod = b"kpi-exporter-%d-%s" % (rollout, replica)
            target = b'instance="%s:3434",pod="%s",namespace="kpi",container="kpi-exporter"'
            yield line.replace(b'instance="exporter:3434"', target % (pod, pod), 1)


def hours(since: datetime) -> Iterator[datetime]:
    """Every full hour from then to the end of the year."""
    count = (END - since) // HOUR
    return (since + n * HOUR for n in range(count))
