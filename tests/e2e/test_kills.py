"""An import that is killed, again and again, ends as one that never was disturbed."""

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from exporter.clock import now
from fake_server import Crowd, FakeKpiggybank
from testing.exporter_process import exporter, write_config

KILLS = 20
REPORTS = (("bounce_rate",), ("new_user", "--segmentation=OS"), ("sites", "--segmentation=Emails"))


@pytest.fixture(scope="module")
def source() -> Iterator[str]:
    until = now()
    with FakeKpiggybank() as bank:
        bank.fill(Crowd(seed=7, per_day=700).plans(until - timedelta(days=14), until))
        yield bank.url


def reports(folder: Path, config: Path) -> list[str]:
    made = [
        exporter("report", *name, "--format=json", f"--config.file={config}", cwd=folder)
        for name in REPORTS
    ]
    assert all(one.returncode == 0 for one in made), made
    return [one.stdout for one in made]


def test_kill_9_at_twenty_moments_loses_nothing_and_counts_nothing_twice(
    source: str, tmp_path: Path
) -> None:
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    undisturbed.mkdir()
    killed.mkdir()
    calm = write_config(undisturbed / "config.yml", source)
    rough = write_config(killed / "config.yml", source)
    began = time.monotonic()
    assert exporter("import", f"--config.file={calm}", cwd=undisturbed).returncode == 0
    took = time.monotonic() - began
    moments = Random(1)
    interrupted = 0

    for _ in range(KILLS):
        process = subprocess.Popen(
            [sys.executable, "-m", "exporter", "import", f"--config.file={rough}"],
            cwd=killed,
            stderr=subprocess.DEVNULL,
        )
        try:
            process.wait(timeout=moments.uniform(0.2, 1.0) * took)
        except subprocess.TimeoutExpired:
            process.kill()
            interrupted += 1
        process.wait()
    assert exporter("import", f"--config.file={rough}", cwd=killed).returncode == 0

    assert interrupted > KILLS / 4
    assert reports(killed, rough) == reports(undisturbed, calm)
    checked = exporter("verify", f"--config.file={rough}", cwd=killed)
    assert checked.returncode == 0, checked.stderr


def test_the_same_range_three_times_counts_once(source: str, tmp_path: Path) -> None:
    config = write_config(tmp_path / "config.yml", source)
    seen = []

    for _ in range(3):
        since = f"--since={(now() - timedelta(days=29)).date()}"
        done = exporter("import", f"--config.file={config}", since, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        seen.append(reports(tmp_path, config))

    assert seen[0] == seen[1] == seen[2]
