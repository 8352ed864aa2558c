"""What Prometheus would hold: a backfill, and scrapes of an exporter under a clock of ours."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from exporter.metrics.exposition import Exposition
from simulations.year.history import read_by_rules

HISTORY = timedelta(weeks=4)
_LABELS = b'job="kpi-exporter",instance="exporter:3434"'


def backfilled(config: Path, until: datetime) -> Iterator[bytes]:
    """Yield what a backfill writes of the weeks before, as far as the rules read it."""
    read = read_by_rules()
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "exporter", "backfill", f"--config.file={config}"),
            *(f"--from={until - HISTORY:%Y-%m-%d}", f"--to={until:%Y-%m-%d}", "--step=1h"),
            *("--label=job=kpi-exporter", "--label=instance=exporter:3434"),
        ],
        stdout=subprocess.PIPE,
    ) as process:
        for line in process.stdout or ():
            if line.split(b"{", 1)[0] in read:
                yield line
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)


def scraped(exposition: Exposition, at: datetime) -> Iterator[bytes]:
    """Yield what a scrape finds, as Prometheus stores it, and that it worked."""
    yield b"up{%s} 1 %d\n" % (_LABELS, at.timestamp())
    answer = exposition.scrape(accept="", compress=False, names=())
    for line in answer.content.splitlines():
        if line.startswith(b"kpi_"):
            series, _, value = line.rpartition(b" ")
            name, brace, labels = series.partition(b"{")
            own = b"," + labels.removesuffix(b"}") if brace else b""
            yield b"%s{%s%s} %s %d\n" % (name, _LABELS, own, value, at.timestamp())
