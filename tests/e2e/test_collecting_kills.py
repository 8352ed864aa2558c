"""kill -9 under load: what was answered 201 is counted once, nothing twice."""

import json
import os
import sqlite3
import time
from contextlib import ExitStack, closing
from pathlib import Path
from random import Random

import pytest

from testing.collecting import PATH, Senders, collecting, write_collect_config
from testing.exporter_process import exporter
from tests.stores.places import Place

NEVER_MS = 1 << 62
KILLS = int(os.environ.get("KPI_TEST_KILLS", "4"))


def test_what_was_answered_201_is_counted_once_whenever_it_is_killed(tmp_path: Path) -> None:
    config = write_collect_config(tmp_path)
    moments = Random(1)
    with Senders(lambda: [url_of(config)]) as senders:
        for _ in range(KILLS):
            with collecting(config) as running:
                time.sleep(moments.uniform(0.0, 1.5))  # the moment, not a wait
                running.daemon.process.kill()
                running.daemon.process.wait()
        with collecting(config):
            senders.__exit__()

    with closing(sqlite3.connect(tmp_path / "kpi.db")) as db:
        held = [id_ for (id_,) in db.execute("select id from interactions")]
    assert len(held) == len(set(held)) > KILLS
    assert senders.confirmed <= set(held) <= senders.sent
    assert_each_counts_once(config, len(held))
    print(f"{KILLS} kills, {len(held)} interactions, {senders.refused} answers of 503")  # noqa: T201


@pytest.mark.slow
def test_of_two_that_collect_into_one_couchdb_either_may_be_killed(
    tmp_path: Path, couchdb: Place
) -> None:
    configs = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        configs.append(write_collect_config(tmp_path / name, store={"url": couchdb.url}))
    moments = Random(1)
    with Senders(lambda: [url_of(config) for config in configs]) as senders, ExitStack() as ends:
        running = [ends.enter_context(collecting(config)) for config in configs]
        for n in range(KILLS):
            time.sleep(moments.uniform(0.0, 1.5))  # the moment, not a wait
            running[n % 2].daemon.process.kill()
            running[n % 2].daemon.process.wait()
            running[n % 2] = ends.enter_context(collecting(configs[n % 2]))
        senders.__exit__()

    held = {row.id for row in couchdb.open().interactions(0, NEVER_MS)}
    assert senders.confirmed <= held <= senders.sent
    assert_each_counts_once(configs[0], len(held))
    print(f"{KILLS} kills, {len(held)} interactions, {senders.refused} answers of 503")  # noqa: T201


def url_of(config: Path) -> str:
    """Return where the daemon with this configuration collects."""
    return f"http://{json.loads(config.read_text())['collect']['listen']}{PATH}"


def assert_each_counts_once(config: Path, held: int) -> None:
    """Assert that the counts follow from the interactions, all of them."""
    checked = exporter("verify", f"--config.file={config}", cwd=config.parent)
    assert checked.returncode == 0, checked.stderr
    report = exporter(
        "report", "assertions", "--format=json", f"--config.file={config}", cwd=config.parent
    )
    days = json.loads(report.stdout)["Total"]
    assert sum(day["value"] for day in days) == held
