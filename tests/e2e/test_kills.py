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
from testing.waiting import eventually

KILLS = 20
REPORTS = (("bounce_rate",), ("new_user", "--segmentation=OS"), ("sites", "--segmentation=Emails"))


@pytest.fixture(scope="module")
def bank() -> Iterator[FakeKpiggybank]:
    until = now()
    with FakeKpiggybank() as bank:
        bank.fill(Crowd(seed=7, per_day=700).plans(until - timedelta(days=14), until))
        yield bank


def reports(folder: Path, config: Path) -> list[str]:
    made = [
        exporter("report", *name, "--format=json", f"--config.file={config}", cwd=folder)
        for name in REPORTS
    ]
    assert all(one.returncode == 0 for one in made), made
    return [one.stdout for one in made]


def interrupted(bank: FakeKpiggybank, config: Path, moment: Random) -> bool:
    """Kill an import soon after one of its first requests; return whether it was still running."""

    def asked() -> int:
        return sum(bank.stats["requests"].values())

    enough = asked() + moment.randint(1, 4)
    with subprocess.Popen(
        [sys.executable, "-m", "exporter", "import", f"--config.file={config}"],
        cwd=config.parent,
        stderr=subprocess.DEVNULL,
    ) as process:
        eventually(lambda: process.poll() is not None or asked() >= enough)
        time.sleep(moment.uniform(0, 0.1))
        process.kill()
        return process.wait() < 0


@pytest.mark.slow
def test_kill_9_at_twenty_moments_loses_nothing_and_counts_nothing_twice(
    bank: FakeKpiggybank, tmp_path: Path
) -> None:
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    undisturbed.mkdir()
    killed.mkdir()
    calm = write_config(undisturbed / "config.yml", bank.url)
    rough = write_config(killed / "config.yml", bank.url)
    assert exporter("import", f"--config.file={calm}", cwd=undisturbed).returncode == 0
    moment = Random(1)

    kills = [interrupted(bank, rough, moment) for _ in range(KILLS)]
    assert any(kills)
    assert exporter("import", f"--config.file={rough}", cwd=killed).returncode == 0

    assert reports(killed, rough) == reports(undisturbed, calm)
    checked = exporter("verify", f"--config.file={rough}", cwd=killed)
    assert checked.returncode == 0, checked.stderr


def test_the_same_range_three_times_counts_once(bank: FakeKpiggybank, tmp_path: Path) -> None:
    config = write_config(tmp_path / "config.yml", bank.url)
    seen = []

    for _ in range(3):
        since = f"--since={(now() - timedelta(days=29)).date()}"
        done = exporter("import", f"--config.file={config}", since, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        seen.append(reports(tmp_path, config))

    assert seen[0] == seen[1] == seen[2]
