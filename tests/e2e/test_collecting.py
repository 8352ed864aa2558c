"""Interactions that are posted to a running exporter are stored, counted once and exposed."""

import json
import sqlite3
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import requests

from exporter.clock import now
from fake_server import Crowd, FakeKpiggybank
from testing.collecting import blob, collecting, write_collect_config
from testing.exporter_process import Daemon, exporter
from testing.waiting import eventually

SOON = 10.0


def series(daemon: Daemon) -> int:
    """How many series of the exporter's own there are."""
    lines = daemon.get("/metrics").text.split("\n")
    return sum(line.startswith("kpi_") for line in lines)


def test_what_is_posted_is_exposed_within_ten_seconds(tmp_path: Path) -> None:
    config = write_collect_config(tmp_path)
    with collecting(config) as running:
        assert running.daemon.get("/-/ready").status_code == 200  # there is no import to wait for
        began = time.monotonic()
        assert running.post(blob(), blob("assertion_generated"), {**blob(), "timestamp": 5}) == 201

        eventually(lambda: running.daemon.metric("kpi_sign_in_attempts", window="1d") == 2)
        assert time.monotonic() - began < SOON * 3  # on a machine that may be busy
        metrics = running.daemon.get("/metrics").text
        assert running.daemon.stop() == 0

    for family in ("kpi_source_up", "kpi_exporter_missing", "kpi_exporter_import_runs"):
        assert family not in metrics
    assert 'kpi_exporter_collect_interactions_total{result="imported"} 2.0' in metrics
    assert 'kpi_exporter_collect_requests_total{code="201"} 1.0' in metrics
    assert 'kpi_exporter_rejected_interactions{reason="timestamp_out_of_range"} 1.0' in metrics


def test_the_page_says_that_nothing_is_imported(tmp_path: Path) -> None:
    with collecting(write_collect_config(tmp_path)) as running:
        page = running.daemon.get("/").text

    assert "nothing is imported, interactions are collected" in page
    assert "Last attempt" not in page


def test_a_blob_posted_again_counts_once_and_a_changed_one_replaces_it(tmp_path: Path) -> None:
    config = write_collect_config(tmp_path)
    with collecting(config) as running:
        first = blob()
        for each in (first, first, {**first, "lang": "de"}, first):
            assert running.post(each) == 201
        eventually(lambda: running.daemon.metric("kpi_store_interactions") == 1)

        eventually(lambda: running.daemon.metric("kpi_sign_in_attempts", window="1d") == 1)
        results = {
            result: running.daemon.metric("kpi_exporter_collect_interactions_total", result=result)
            for result in ("imported", "duplicate")
        }
    assert results == {"imported": 3, "duplicate": 1}
    assert exporter("verify", f"--config.file={config}", cwd=tmp_path).returncode == 0


def test_nothing_of_the_client_is_stored_or_logged(tmp_path: Path) -> None:
    config = write_collect_config(tmp_path)
    secrets = {"Cookie": "session=c0ffee", "User-Agent": "Spy/1.0", "X-Forwarded-For": "192.0.2.7"}
    with collecting(config, "--log.level=debug") as running:
        for body in (json.dumps(blob()), "[]", "no blob"):
            requests.post(running.url, data=body, headers=secrets, timeout=60)
        requests.get(f"{running.url}/else", headers=secrets, timeout=60)
        requests.post(running.url, data=b"\x00garbage", headers=secrets, timeout=60)
        running.daemon.stop()
    kept = (tmp_path / "kpi.db").read_bytes() + running.daemon.output.read_bytes()
    kept += b"".join(file.read_bytes() for file in tmp_path.glob("kpi.db-*"))

    for secret in (b"c0ffee", b"Spy/1.0", b"192.0.2.7"):
        assert secret not in kept


def test_what_comes_from_outside_raises_no_series(tmp_path: Path) -> None:
    with collecting(write_collect_config(tmp_path)) as running:
        before = series(running.daemon)
        for n in range(200):
            hostile = {"lang": f"x{n}", "user_agent": {"os": f'"}}\n{n}'}, "rp_api": "\u0000" * n}
            assert running.post(blob(f"event{n}", **hostile)) == 201
        eventually(lambda: running.daemon.metric("kpi_store_interactions") == 200)

        assert series(running.daemon) == before


def test_a_locked_store_is_503_and_what_was_answered_201_stays(tmp_path: Path) -> None:
    config = write_collect_config(tmp_path)
    with collecting(config) as running:
        assert running.post(blob()) == 201
        with closing(sqlite3.connect(tmp_path / "kpi.db", isolation_level=None)) as other:
            other.execute("begin immediate")
            assert running.post(blob()) == 503
            assert running.daemon.metric("kpi_store_up") == 0
            other.execute("rollback")
        assert running.post(blob()) == 201
        eventually(lambda: running.daemon.metric("kpi_store_interactions") == 2)
        assert running.daemon.metric("kpi_store_up") == 1
        assert running.daemon.metric("kpi_exporter_collect_requests_total", code="503") == 1


def test_beside_a_source_the_collected_are_no_rows_of_it(tmp_path: Path) -> None:
    """What was collected hides nothing: rows of the source are found by count, late ones too."""
    until = now()
    with FakeKpiggybank() as bank:
        bank.fill(Crowd(seed=4, per_day=40).plans(until - timedelta(days=3), until))
        config = write_collect_config(
            tmp_path, data_server={"url": bank.url}, **{"import": {"every": "2s"}}
        )
        with collecting(config) as running:
            running.daemon.await_import()
            imported = running.daemon.metric("kpi_store_interactions")
            assert running.post(*(blob() for _ in range(50))) == 201
            bank.add([{**blob(), "timestamp": int((until - timedelta(days=2)).timestamp() * 1000)}])
            eventually(lambda: running.daemon.metric("kpi_store_interactions") == imported + 51)
            bank.add([blob()])
            eventually(lambda: running.daemon.metric("kpi_store_interactions") == imported + 52)

            assert running.daemon.metric("kpi_exporter_missing_interactions") == 0
            assert running.daemon.metric("kpi_source_up") == 1
