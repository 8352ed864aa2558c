"""kill -9 under load: what was answered 201 is counted once, nothing twice."""

import json
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from random import Random

from testing.collecting import Senders, collecting, write_collect_config
from testing.exporter_process import exporter

KILLS = int(os.environ.get("KPI_TEST_KILLS", "4"))


def test_what_was_answered_201_is_counted_once_whenever_it_is_killed(tmp_path: Path) -> None:
    config = write_collect_config(tmp_path)
    url = f"http://{json.loads(config.read_text())['collect']['listen']}/wsapi/interaction_data"
    moments = Random(1)
    with Senders(lambda: [url]) as senders:
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
    checked = exporter("verify", f"--config.file={config}", cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr
    report = exporter(
        "report", "assertions", "--format=json", f"--config.file={config}", cwd=tmp_path
    )
    days = json.loads(report.stdout)["Total"]
    assert sum(day["value"] for day in days) == len(held)
    print(f"{KILLS} kills, {len(held)} interactions, {senders.refused} answers of 503")  # noqa: T201
