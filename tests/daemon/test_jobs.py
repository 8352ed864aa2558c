"""The daemon's work, when the store does not do what is asked."""

from collections.abc import Collection, Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

from exporter.config import load
from exporter.daemon.jobs import Jobs
from exporter.domain.interaction import Hour
from exporter.ports import PeriodCounts, StoreError
from exporter.stores.sqlite import SqliteStore
from fake_server import Crowd, FakeKpiggybank
from testing.waiting import eventually
from tests.builders import AT, ms


class Disk(SqliteStore):
    """A store whose writing can fail; it can be read all the same."""

    failure: Exception | None = None

    def _write(self) -> None:
        if self.failure is not None:
            raise self.failure

    def remember(self, name: str, value: str) -> None:
        self._write()
        super().remember(name, value)

    def drop_before(self, cutoff: Hour) -> int:
        self._write()
        return super().drop_before(cutoff)


class Lost(SqliteStore):
    """A store whose tallies were lost: they cannot be read until they are rebuilt."""

    def is_readable(self) -> bool:
        return False

    def total(
        self, start: Hour, end: Hour, segmentations: Collection[str] | None = None
    ) -> Iterator[PeriodCounts]:
        del start, end, segmentations
        raise StoreError("the tallies are not those of the stored interactions")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path / "kpi.db")
    yield disk
    disk.close()


@pytest.fixture
def work(disk: Disk) -> Iterator[Jobs]:
    """The work of a daemon that has imported."""
    with FakeKpiggybank() as bank:
        bank.fill(Crowd(per_day=50).plans(AT - timedelta(days=2), AT))
        work = Jobs(load(f"data_server: {{url: '{bank.url}'}}", {}), disk, now=lambda: AT)
        work.import_now()
        assert work.recorder.status.runs == {"success": 1, "failure": 0}
        yield work


def test_a_store_that_can_be_read_and_not_written_is_not_up(work: Jobs, disk: Disk) -> None:
    disk.failure = StoreError("kpi.db cannot be written: disk full")
    work.import_now()  # ends with a snapshot, which reads
    work.take_snapshot()

    assert work.recorder.status.store_up is False
    disk.failure = None
    work.import_now()
    assert work.recorder.status.store_up is True


def test_that_the_clock_is_doubted_is_logged_once_until_it_is_over(disk: Disk) -> None:
    month = timedelta(days=30)
    times = [AT]
    with FakeKpiggybank() as bank, capture_logs() as log:
        config = load(f"data_server: {{url: '{bank.url}'}}", {})
        jobs = Jobs(config, disk, now=lambda: times[-1])
        for _ in range(2):
            bank.fill(Crowd(per_day=50).plans(times[-1] - timedelta(days=1), times[-1]))
            jobs.import_now()
            jobs.drop_old()
            times.append(times[-1] + month)
            jobs.drop_old()
            jobs.drop_old()

    doubts = [entry for entry in log if entry["event"].startswith("nothing is dropped")]
    assert [entry["clock"] for entry in doubts] == [time.isoformat() for time in times[1:]]


def test_imports_go_on_while_tallies_that_were_lost_are_rebuilt(tmp_path: Path) -> None:
    with FakeKpiggybank() as bank:
        bank.fill(Crowd(per_day=50).plans(AT - timedelta(days=2), AT))
        config = load(f"data_server: {{url: '{bank.url}'}}", {})
        before = SqliteStore(tmp_path / "kpi.db")
        Jobs(config, before, now=lambda: AT).import_now()
        jobs = Jobs(config, Lost(tmp_path / "kpi.db"), now=lambda: AT)
        jobs.import_now()
        jobs.take_snapshot()

    assert jobs.recorder.status.runs == {"success": 1, "failure": 0}
    assert jobs.recorder.status.store_up is True
    assert jobs.exposition.snapshot is None
    assert jobs.waits_for == "the tallies are being rebuilt"


def test_one_error_is_logged_once_whatever_it_hinders(work: Jobs, disk: Disk) -> None:
    with capture_logs() as log:
        disk.failure = StoreError("kpi.db cannot be written: disk full")
        work.drop_old()
        work.import_now()
        work.import_now()
        disk.failure = None
        work.import_now()

    assert [line["error"] for line in log if line["log_level"] == "error"] == [
        "kpi.db cannot be written: disk full"
    ]
    assert [line["event"] for line in log if "works again" in line["event"]] == [
        "writing to the store works again"
    ]


def test_the_same_error_is_logged_again_once_it_was_over(work: Jobs, disk: Disk) -> None:
    with capture_logs() as log:
        for failure in (StoreError("disk full"), None, StoreError("disk full")):
            disk.failure = failure
            work.import_now()

    assert [line["event"] for line in log] == [
        "import failed",
        "import works again",
        "import finished",
        "import failed",
    ]


def test_a_reload_closes_the_source_that_it_replaces(tmp_path: Path) -> None:
    with FakeKpiggybank() as before, FakeKpiggybank() as after:
        for bank in (before, after):  # an empty one cannot count: the connection ends with that
            bank.add([{"timestamp": ms(AT), "event_stream": [["screen.rp_info", 1]]}])
        disk = Disk(tmp_path / "kpi.db")
        jobs = Jobs(load(f"data_server: {{url: '{before.url}'}}", {}), disk, now=lambda: AT)
        jobs.import_now()
        assert connections_to(before) > 0

        jobs.use(load(f"data_server: {{url: '{after.url}'}}", {}))
        jobs.import_now()

        eventually(lambda: connections_to(before) == 0)
        assert connections_to(after) > 0
        assert jobs.close(patience_seconds=1)
        eventually(lambda: connections_to(after) == 0)


def connections_to(bank: FakeKpiggybank) -> int:
    """The established connections of this machine to a server."""
    port = f":{urlsplit(bank.url).port:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(
        remote.endswith(port) and state == "01" for _, _, remote, state, *_ in map(str.split, lines)
    )
