"""Each fault of the source, switched on and off again: the numbers end up right."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from exporter.clock import now
from fake_server import Crowd, FakeKpiggybank
from testing.exporter_process import Daemon, daemon, write_config
from testing.waiting import eventually

FAILING = (
    "hang",
    "reset",
    "status-500",
    "garbage",
    # To the daemon these are more of the same; tests/sources has each.
    pytest.param("slow=200", marks=pytest.mark.slow),  # bytes a second
    pytest.param("truncated", marks=pytest.mark.slow),
    pytest.param("redirect", marks=pytest.mark.slow),
    pytest.param("endless", marks=pytest.mark.slow),
)
HARMLESS = ("duplicates", "malformed", "poison", "shuffled", "wrong-count")


@dataclass(slots=True, kw_only=True)
class Served:
    """A daemon that imports every second from a source where users go on signing in."""

    bank: FakeKpiggybank
    daemon: Daemon
    seeds: Iterator[int]

    def sign_in(self) -> None:
        """Let some users sign in, at about this time."""
        at = now()
        crowd = Crowd(seed=next(self.seeds), per_day=5_000)
        self.bank.fill(crowd.plans(at, at + timedelta(minutes=10)))

    def attempts_by_day(self) -> dict[str, float]:
        entries = self.daemon.data("assertions").get("Total", [])
        return {entry["category"]: entry["value"] for entry in entries}

    def is_right(self) -> bool:
        days = self.bank.right()["days"]
        return self.attempts_by_day() == {day: of["Total"]["attempts"] for day, of in days.items()}

    def import_again(self, result: str, times: int) -> None:
        before = self.daemon.imports(result)
        eventually(lambda: self.daemon.imports(result) >= before + times)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with FakeKpiggybank() as bank:
        config = write_config(
            tmp_path_factory.mktemp("faults") / "config.yml",
            bank.url,
            **{
                "data_server": {"url": bank.url, "timeout": "1s"},
                "import": {"every": "1s", "history": "2d"},
            },
        )
        with daemon(config) as running:
            served = Served(bank=bank, daemon=running, seeds=count())
            served.sign_in()
            running.await_import()
            yield served


@pytest.mark.parametrize("fault", FAILING)
def test_a_failing_source_is_logged_once_and_made_up_for(fault: str, served: Served) -> None:
    eventually(served.is_right)
    logged_before = len(served.daemon.output.read_text())
    served.bank.set_faults(fault)
    served.sign_in()
    served.import_again("failure", 2)
    assert served.daemon.metric("kpi_source_up") == 0
    served.bank.set_faults()
    served.import_again("success", 1)
    eventually(served.is_right)
    assert served.daemon.metric("kpi_source_up") == 1

    logged = served.daemon.output.read_text()[logged_before:].splitlines()
    errors = [line.partition("error=")[2] for line in logged if "import failed" in line]
    assert len(errors) == len(set(errors)) > 0
    assert any("works again" in line for line in logged)
    assert not [line for line in logged if "Traceback" in line]


@pytest.mark.parametrize("fault", HARMLESS)
def test_odd_rows_disturb_no_number(fault: str, served: Served) -> None:
    eventually(served.is_right)
    served.bank.set_faults(fault)
    served.sign_in()
    served.import_again("success", 2)
    eventually(served.is_right)
    served.bank.set_faults()
    served.import_again("success", 2)
    assert served.is_right()


def test_until_an_import_has_succeeded_the_daemon_is_not_ready(tmp_path: Path) -> None:
    with FakeKpiggybank(faults=["status-500"]) as bank:
        config = write_config(tmp_path / "config.yml", bank.url)
        with daemon(config) as running:
            eventually(lambda: running.imports("failure") >= 1)

            assert running.get("/-/ready").status_code == 503
