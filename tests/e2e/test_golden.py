"""The reports of the dashboard that this replaces, through the whole way, in both dialects."""

import json
from collections.abc import Iterator
from math import isclose
from pathlib import Path
from typing import Any

import pytest

from fake_server import FakeKpiggybank
from testing.exporter_process import LONG_AGO, Daemon, daemon, write_config

GOLDEN = Path(__file__).parent.parent / "golden"
REPORTS: dict[str, Any] = json.loads((GOLDEN / "reports.json").read_text())


@pytest.fixture(scope="module", params=["couchdb", "memory"])
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Daemon]:
    rows = json.loads((GOLDEN / "interactions.json").read_text())
    with FakeKpiggybank(backend=request.param) as bank:
        bank.load_rows(rows)
        config = write_config(
            tmp_path_factory.mktemp("golden") / "config.yml", bank.url, **LONG_AGO
        )
        with daemon(config) as running:
            running.await_import()
            yield running


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, int | float) and isinstance(other, int | float):
        return isclose(one, other, rel_tol=0, abs_tol=1e-12)
    return bool(one == other)


@pytest.mark.parametrize("name", REPORTS)
def test_report_equals_the_one_of_the_old_dashboard(served: Daemon, name: str) -> None:
    report, _, query = name.partition("?")
    parameters = dict([query.split("=")]) if query else {}

    assert equal(served.data(report, **parameters), REPORTS[name])


def test_every_row_is_accounted_for(served: Daemon) -> None:
    results = {
        result: served.metric("kpi_exporter_import_interactions_total", result=result)
        for result in ("imported", "ignored", "rejected")
    }

    assert results == {"imported": 1895, "ignored": 105, "rejected": 0}


def test_a_range_includes_both_its_days(served: Daemon) -> None:
    first, last = "1377216000", "1377302400"  # 2013-08-23 and 24, midnight

    days = served.data("assertions", start=first, end=last, segmentation="OS")

    found = {entry["category"] for entries in days.values() for entry in entries}
    assert found == {"2013-08-23", "2013-08-24"}
