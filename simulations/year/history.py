"""A year of simulated users, through the fake server, the exporter and its backfill."""

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from simulations.year.incidents import END, FIRST, TROUBLES
from testing.exporter_process import write_config
from testing.processes import answers, running, unused_port
from testing.rulebook import rules_of

HOUR = timedelta(hours=1)
LABELS = b'{job="kpi-exporter",instance="exporter:3434"}'
WATCHED = (b'window="1h"', b'window="6h"', b'window="1d"')
MONTH = b'window="30d"'


def backfilled(directory: Path, *, per_day: int, seed: int) -> Iterator[bytes]:
    """The KPIs of every hour, as lines of OpenMetrics."""
    days = (END - FIRST) // timedelta(days=1)
    (directory / "incidents.json").write_text(json.dumps([each.told() for each in TROUBLES]))
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
    config = write_config(
        directory / "config.yml",
        f"http://127.0.0.1:{(port := unused_port())}/wsapi/interaction_data",
        windows=["1h", "6h", "1d", "30d"],
        segment_windows=["6h", "1d", "30d"],
        retention="20000d",
    )
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
        span = (f"--config.file={config.name}", f"--since={FIRST:%Y-%m-%d}")
        _run("exporter", "import", *span, f"--until={END:%Y-%m-%d}", directory=directory)
    yield from _printed(
        "exporter",
        "backfill",
        f"--config.file={config.name}",
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


def what_rules_read(history: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a history that the rules read, and what a scrape says of the exporter."""
    read = {name.encode() for rule in rules_of("kpis") for name in rule.names()}
    read |= {b"kpi_dialogs", b"kpi_segment_dialogs"}
    read |= {b"kpi_bounces_signed_in", b"kpi_segment_bounces_signed_in"}
    read |= {b"kpi_bounce_ratio"}  # what a plain threshold looks at
    for line in history:
        name = line.split(b"{", 1)[0]
        if name in read:
            of_month = name in {b"kpi_segment_bounce_ratio", b"kpi_segment_abandonment_ratio"}
            if any(window in line for window in ((MONTH,) if of_month else WATCHED)):
                yield line
    for name in (
        b"kpi_snapshot_timestamp_seconds",
        b"kpi_exporter_import_last_success_timestamp_seconds",
    ):
        for hour in hours(FIRST):
            yield b"%s%s %d %d\n" % (name, LABELS, hour.timestamp(), hour.timestamp())


def hours(since: datetime) -> Iterator[datetime]:
    """Every full hour from then to the end of the year."""
    count = (END - since) // HOUR
    return (since + n * HOUR for n in range(count))
