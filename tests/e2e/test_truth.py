"""What simulated users did, against what the exporter says of them: every number, every segment."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from math import isnan
from typing import Any
from uuid import uuid4

import pytest
from prometheus_client.parser import text_string_to_metric_families

from exporter.clock import now
from fake_server import Crowd, FakeKpiggybank
from testing import expected
from testing.exporter_process import Daemon, daemon, write_config
from tests.stores.places import couchdb_place, sqlite_place

WINDOWS = {"1d": 24, "7d": 168, "13d": 312}


SEEDS = range(1, 6)
QUICK = {("couchdb", "sqlite", 1), ("memory", "sqlite", 2)}
CASES = [
    pytest.param(case, id="-".join(map(str, case)), marks=[] if case in QUICK else pytest.mark.slow)
    for case in product(("couchdb", "memory"), ("sqlite", "couchdb"), SEEDS)
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A daemon that has imported all that a bank of a dialect holds."""

    dialect: str
    bank: FakeKpiggybank
    daemon: Daemon
    known: dict[str, list[str]]


@pytest.fixture(scope="module", params=CASES)
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    dialect, technology, seed = request.param
    until = now()
    folder = tmp_path_factory.mktemp("truth")
    crowd = Crowd(seed=seed, per_day=100, string_timestamps=0.02 if dialect == "couchdb" else 0)
    if technology == "couchdb":
        name = f"kpi_test_{uuid4().hex[:12]}"
        place = couchdb_place(request.getfixturevalue("pouchdb_server"), name)
    else:
        place = sqlite_place(folder / "kpi.db")
    with FakeKpiggybank(backend=dialect) as bank:
        bank.fill(crowd.plans(until - timedelta(days=14), until))
        config = write_config(
            folder / "config.yml", bank.url, store={"url": place.url}, windows=list(WINDOWS)
        )
        with daemon(config) as running:
            running.await_import()
            yield Served(
                dialect=dialect, bank=bank, daemon=running, known=running.data("segmentations")
            )
    place.leave()


def test_every_report_equals_the_truth(served: Served) -> None:
    days = served.bank.truth.days()

    for name in (*expected.BY_DAY, *expected.OVER_TIME, "new_user"):
        assert served.daemon.data(name) == approximately(expected.report(name, days)), name


def test_every_report_by_segment_equals_the_truth(served: Served) -> None:
    days = served.bank.truth.days()

    for segmentation in served.known:
        for name in expected.SEGMENTED:
            made = served.daemon.data(name, segmentation=segmentation)
            assert made == approximately(expected.report(name, days, segmentation)), name


def test_every_metric_of_every_window_equals_the_truth(served: Served) -> None:
    found = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(served.daemon.get("/metrics").text)
        for sample in family.samples
    }
    taken = found["kpi_snapshot_timestamp_seconds", ()]

    right: expected.Values = {}
    for window, hours in WINDOWS.items():
        truth = served.bank.truth.window(*expected.hours_of_window(taken, hours))
        right |= expected.metrics(window, truth, served.known)
    exposed = {place: value for place, value in found.items() if dict(place[1]).get("window")}
    exposed = {place: value for place, value in exposed.items() if "completeness" not in place[0]}
    assert exposed.keys() == right.keys()
    exact = {place: value for place, value in right.items() if not is_quantile(place[0])}
    assert {place: exposed[place] for place in exact} == approximately(exact)
    # Quantiles are of buckets that hold 5% to both sides.
    within = {place: value for place, value in right.items() if is_quantile(place[0])}
    assert {place: exposed[place] for place in within} == within_5_percent(within)
    assert within


def test_durations_by_day_equal_the_truth(served: Served) -> None:
    days = served.bank.truth.days()

    for segmentation in (None, *served.known):
        chosen = {} if segmentation is None else {"segmentation": segmentation}
        made = served.daemon.data("durations", **chosen)
        assert made == within_5_percent(expected.report("durations", days, segmentation))


def test_all_is_accounted_for_and_nothing_missing(served: Served) -> None:
    said = served.bank.right()
    results = {
        result: served.daemon.metric("kpi_exporter_import_interactions_total", result=result)
        for result in ("imported", "ignored", "rejected")
    }

    assert results == {"imported": said["counted"], "ignored": said["ignored"], "rejected": 0}
    assert served.daemon.metric("kpi_store_interactions") == said["counted"]
    missing = served.daemon.metric("kpi_exporter_missing_interactions")
    assert isnan(missing) if served.dialect == "memory" else missing == 0


def is_quantile(family: str) -> bool:
    return family.endswith(("_median_seconds", "_p90_seconds"))


def within_5_percent(value: Any) -> Any:
    """Equal but for the half width of a bucket, where a float; numbers of interactions exactly."""
    if isinstance(value, dict):
        return {key: within_5_percent(one) for key, one in value.items()}
    if isinstance(value, float):
        return pytest.approx(value, rel=0.050001, abs=0.00005, nan_ok=True)
    return value


def approximately(value: Any) -> Any:
    """Equal but for the last digits of floats; NaN equals NaN."""
    if isinstance(value, dict):
        return {key: approximately(one) for key, one in value.items()}
    if isinstance(value, list):
        return [approximately(one) for one in value]
    if isinstance(value, float):
        return pytest.approx(value, abs=1e-12, nan_ok=True)
    return value
