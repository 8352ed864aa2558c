"""A store that turns out damaged: what the source holds is imported anew, with nobody's help."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from exporter.config import load
from exporter.daemon.jobs import Jobs
from exporter.stores.sqlite import SqliteStore
from fake_server import Crowd, FakeKpiggybank
from testing.damaging import damage
from testing.exporter_process import LONG_AGO, daemon, write_config
from testing.waiting import eventually
from tests.builders import AT


@pytest.fixture
def bank() -> Iterator[FakeKpiggybank]:
    with FakeKpiggybank() as bank:
        bank.fill(Crowd(per_day=50).plans(AT - timedelta(days=2), AT))
        yield bank


def work_on(path: Path, bank: FakeKpiggybank) -> Jobs:
    written = f"{{data_server: {{url: '{bank.url}'}}, store: {{url: 'sqlite:{path}'}}}}"
    return Jobs(load(written, {}), SqliteStore(path), now=lambda: AT)


def store_is_up(work: Jobs) -> bool | None:
    return work.recorder.status.store_up


def test_the_next_import_begins_anew_and_until_it_ends_the_last_kpis_stay(
    tmp_path: Path, bank: FakeKpiggybank
) -> None:
    path = tmp_path / "kpi.db"
    SqliteStore(path).close()  # everything is in the file, but for what comes now
    work = work_on(path, bank)
    work.import_now()
    with work.reading() as (store, _):
        store.close()
    damage(path)
    shown = work.exposition.snapshot

    with capture_logs() as log:
        work.take_snapshot()
        assert not store_is_up(work)
        assert work.exposition.snapshot is shown
        bank.set_faults("status-500")
        work.import_now()
        assert work.exposition.snapshot is shown
        bank.set_faults()
        work.import_now()

    assert store_is_up(work)
    with work.reading() as (store, _):
        assert store.stats().interactions == bank.right()["counted"]
    assert work.exposition.snapshot is not shown
    kept = str(path.with_name("kpi.db.damaged-1"))
    assert [line["kept"] for line in log if "quarantined" in line["event"]] == [kept]


def test_a_damaged_interaction_in_a_file_that_is_whole_leaves_the_kpis_going(
    tmp_path: Path, bank: FakeKpiggybank
) -> None:
    path = tmp_path / "kpi.db"
    work = work_on(path, bank)
    work.import_now()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("update interactions set body = x'00'")

    work.import_now()  # finds it where imports overlap
    work.import_now()
    shown = work.exposition.snapshot
    work.take_snapshot()

    assert work.recorder.status.runs == {"success": 1, "failure": 2}
    assert "restore it from a backup" in work.error
    assert work.exposition.snapshot is not shown
    assert [one.name for one in tmp_path.glob("*.damaged-*")] == []


def test_a_daemon_that_finds_its_store_damaged_starts_all_the_same(
    tmp_path: Path, bank: FakeKpiggybank
) -> None:
    config = write_config(tmp_path / "config.yml", bank.url, **LONG_AGO)
    with daemon(config) as first:
        first.await_import()
        assert first.stop() == 0
    damage(tmp_path / "kpi.db")

    with daemon(config) as second:
        second.await_import()
        eventually(lambda: second.metric("kpi_store_up") == 1)
        assert second.metric("kpi_store_interactions") == bank.right()["counted"]
        assert "damaged store quarantined" in second.output.read_text()


def test_a_deleted_file_is_noticed_and_filled_anew(tmp_path: Path, bank: FakeKpiggybank) -> None:
    path = tmp_path / "kpi.db"
    work = work_on(path, bank)
    work.import_now()
    with work.reading() as (store, _):
        before = store.stats().interactions
    for file in list(tmp_path.iterdir()):
        file.unlink()

    with capture_logs() as log:
        work.import_now()
        work.import_now()

    errors = [entry["error"] for entry in log if entry["log_level"] == "error"]
    assert errors == [f"{path} was deleted, or replaced by another file, while it was in use"]
    with work.reading() as (store, _):
        assert store.stats().interactions == before > 0
    assert store_is_up(work)


def test_a_daemon_works_with_every_note_damaged(tmp_path: Path, bank: FakeKpiggybank) -> None:
    path = tmp_path / "kpi.db"
    work_on(path, bank).import_now()
    with closing(SqliteStore(path)) as store:
        for name in store.notes():
            store.remember(name, "damaged")

    with capture_logs() as log:
        work = work_on(path, bank)
        work.import_now()
        work.drop_old()
        work.take_snapshot()
        work.import_now()

    assert store_is_up(work)
    assert not [entry for entry in log if entry["log_level"] == "error"]
    with closing(SqliteStore(path)) as store:
        assert "damaged" not in store.notes().values()
