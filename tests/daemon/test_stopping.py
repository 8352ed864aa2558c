"""The end of the daemon's work."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from exporter.config import load
from exporter.daemon.jobs import Jobs
from exporter.wiring import open_store
from fake_server import Crowd, FakeKpiggybank
from testing.waiting import WAIT_SECONDS

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_a_snapshot_that_falls_due_after_the_end_leaves_the_store_alone(tmp_path: Path) -> None:
    database = tmp_path / "kpi.db"
    with FakeKpiggybank() as bank:
        bank.fill(Crowd(seed=3, per_day=50).plans(NOW - timedelta(days=2), NOW))
        text = f"{{data_server: {{url: '{bank.url}'}}, store: {{url: 'sqlite:{database}'}}}}"
        configuration = load(text, {})
        work = Jobs(configuration, open_store(configuration.store), now=lambda: NOW)
        work.import_now()
        work.stop()
        assert work.close(patience_seconds=1)
    database.unlink()

    with capture_logs() as said:
        work.take_snapshot()

    assert said == []
    assert not database.exists()


@pytest.mark.parametrize("job", [Jobs.import_now, Jobs.rebuild, Jobs.drop_old])
def test_work_that_waits_for_its_turn_at_the_end_ends_too(
    tmp_path: Path, job: Callable[[Jobs], None]
) -> None:
    """Else its thread keeps the process, and it does so with a store that is closed."""
    database = tmp_path / "kpi.db"
    with FakeKpiggybank() as bank:
        text = f"{{data_server: {{url: '{bank.url}'}}, store: {{url: 'sqlite:{database}'}}}}"
        configuration = load(text, {})
        work = Jobs(configuration, open_store(configuration.store), now=lambda: NOW)
        work.stop()
        assert work.close(patience_seconds=1)
        waiting = threading.Thread(target=job, args=(work,), daemon=True)
        with capture_logs() as logged:
            waiting.start()
            waiting.join(WAIT_SECONDS)

    assert not waiting.is_alive()
    assert logged == []
