"""A snapshot is rendered once: OpenMetrics reads the same lines as the text format."""

from datetime import date
from pathlib import Path

import pytest

from exporter.config import load
from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.reports import Milestone
from exporter.metrics import families
from exporter.metrics.exposition import Exposition
from exporter.metrics.snapshot import take_snapshot
from exporter.metrics.status import Status
from tests.builders import AT, crowd, persona, sqlite_store

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
CONFIG = load("data_server: {url: 'http://127.0.0.1/'}", {})
MILESTONE = Milestone(name='a "quoted" \\ back\nslash', date=date(2013, 7, 1))


@pytest.fixture
def exposition(tmp_path: Path) -> Exposition:
    store = sqlite_store(tmp_path / "kpi.db", crowd(1, 200, AT.replace(hour=0), AT))
    shown = Exposition(Status, lambda: "")
    shown.publish(take_snapshot(store, Evaluator(persona()), CONFIG.windows, AT), (MILESTONE,))
    store.close()
    return shown


def test_openmetrics_renders_a_snapshot_to_the_very_lines_that_are_kept_of_it(
    exposition: Exposition,
) -> None:
    kpis = [family.name for family in (*families.TOTALS, *families.SEGMENTS, families.MILESTONE)]
    rendered = exposition.scrape(accept=OPENMETRICS, compress=False, names=kpis).content
    kept = exposition.scrape(accept=OPENMETRICS, compress=False).content
    assert rendered.count(b"\n") > 4_000
    assert kept.startswith(rendered.removesuffix(b"# EOF\n"))
