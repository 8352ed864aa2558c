"""The committed dashboards, and a real Prometheus with data for them."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from fake_server.crowd import Crowd
from grafana.queries import Json
from tests.conftest import CHECKOUT
from tests.grafana.filled import WINDOWS, Filled, filled_prometheus


@pytest.fixture(scope="session")
def dashboards() -> Mapping[str, Json]:
    """The committed dashboards by uid."""
    files = sorted((CHECKOUT / "grafana/dashboards").glob("*.json"))
    read = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    return {dashboard["uid"]: dashboard for dashboard in read}


@pytest.fixture(scope="session")
def filled(
    prometheus: Path, promtool: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Filled]:
    """Ten days of simulated users, of which Prometheus has the history by the hour."""
    with filled_prometheus(
        prometheus,
        promtool,
        tmp_path_factory.mktemp("filled"),
        crowd=Crowd(seed=6, per_day=1200),
        days=10,
        windows=WINDOWS[:2],
    ) as running:
        yield running
