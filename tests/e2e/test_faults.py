"""Each fault of the source, switched on and off again: the numbers end up right."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from exporter.clock import now
from fake_server import Crowd, FakeKpiggybank
from testing.exporter_process import Daemon, daemon, write_config
from testing.waiting import eventually

FAILING = (
    "slow=200",  # bytes a second: an interaction does not come within the timeout
    "hang",
    "reset",
    "status-500",
    "truncated",
    "garbage",
    "redirect",
    "endless",
)
HARMLESS = ("duplicates", "malformed", "poison", "shuffled", "wrong-count")


def config_of(folder: Path, url: str) -> Path:
    return write_config(
        folder / "config.yml",
        url,
        **{
            "data_server": {"url": url, "timeout": "1s"},
            "import": {"every": "1s", "history": "5d"},
        },
    )


def attempts_by_day(served: Daemon) -> dict[str, float]:
    entries = served.data("assertions").get("Total", [])
    return {entry["category"]: entry["value"] for entry in entries}


def right(truth: Any) -> dict[str, float]:
    return {day: of["Total"]["attempts"] for day, of in truth.days().items()}


@pytest.mark.parametrize("fault", FAILING)
def test_a_failing_source_is_told_once_and_made_up_for(fault: str, tmp_path: Path) -> None:
    until = now()
    with FakeKpiggybank(faults=[fault]) as bank:
        truth = bank.fill(Crowd(seed=3, per_day=200).plans(until - timedelta(days=4), until))
        with daemon(config_of(tmp_path, bank.url)) as served:
            eventually(lambda: served.imports("failure") >= 2)
            assert served.metric("kpi_source_up") == 0
            assert served.get("/-/ready").status_code == 503
            bank.set_faults()
            served.await_import()
            eventually(lambda: attempts_by_day(served) == right(truth))
            assert served.metric("kpi_source_up") == 1

    said = served.output.read_text().splitlines()
    errors = {line.partition("error=")[2] for line in said if "import failed" in line}
    assert len([line for line in said if "import failed" in line]) == len(errors)
    assert any("works again" in line for line in said)
    assert not [line for line in said if "Traceback" in line]


@pytest.mark.parametrize("fault", HARMLESS)
def test_odd_rows_disturb_no_number(fault: str, tmp_path: Path) -> None:
    until = now()
    with FakeKpiggybank(faults=[fault]) as bank:
        truth = bank.fill(Crowd(seed=4, per_day=200).plans(until - timedelta(days=4), until))
        with daemon(config_of(tmp_path, bank.url)) as served:
            served.await_import()
            assert attempts_by_day(served) == right(truth)
            bank.set_faults()
            before = served.imports("success")
            eventually(lambda: served.imports("success") > before)
            assert attempts_by_day(served) == right(truth)
