"""The series are counted before there are any."""

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from exporter.config import Configuration, ConfigurationError, load
from exporter.domain.classify.evaluator import Evaluator
from exporter.metrics.collecting import CollectRecorder
from exporter.metrics.exposition import (
    Exposition,
    kpi_metrics,
    milestone_metrics,
    operation_metrics,
)
from exporter.metrics.families import SEGMENTS, TOTALS
from exporter.metrics.snapshot import take_snapshot
from exporter.metrics.status import Status
from exporter.stores.sqlite import SqliteStore
from tests.config.texts import SOURCE


def exposed(configuration: Configuration, store: SqliteStore) -> dict[str, int]:
    """Series by family as the exposition renders them where nothing was imported."""
    evaluator = Evaluator(configuration.definitions)
    store.use_definitions(evaluator)
    now = datetime(2013, 2, 21, tzinfo=UTC)
    snapshot = take_snapshot(store, evaluator, configuration.windows, now)
    return {
        metric.name.removesuffix("_total"): len(metric.samples)
        for metric in (
            *kpi_metrics(snapshot),
            *milestone_metrics(configuration.milestones),
            *operation_metrics(
                Status(importing=configuration.data_server is not None),
                snapshot,
                "digest",
                None if configuration.collect is None else CollectRecorder().status,
            ),
        )
    }


@pytest.mark.parametrize(
    "text",
    [
        SOURCE,
        SOURCE + "segmentations: {}",
        SOURCE + "windows: [1h]",
        SOURCE + "windows: [1h, 1d]\nsegment_windows: [1d]",
        SOURCE
        + "milestones: [{name: a, date: 2013-07-23}, {name: b, date: 2013-07-23, quiet: true}]",
        SOURCE + "collect: {}",
        "collect: {}",
    ],
)
def test_each_family_has_as_many_series_as_the_exposition_renders(
    text: str, tmp_path: Path
) -> None:
    configuration = load(text, {})
    counted = {name.removesuffix("_total"): n for name, n in configuration.series.items()}
    del counted["process_* and python_*"]
    with closing(SqliteStore(tmp_path / "kpi.db")) as store:
        assert counted == exposed(configuration, store)


def test_the_process_has_as_many_series_as_the_client_library_finds() -> None:
    text = Exposition(Status, lambda: "abc").scrape(accept="", compress=False).content
    lines = [line for line in text.splitlines() if line.startswith((b"process_", b"python_"))]
    assert load(SOURCE, {}).series["process_* and python_*"] == len(lines)


def test_persona_has_as_many_series_as_the_arithmetic_says() -> None:
    windows, by_segment, segments = 5, 4, 45
    outcomes, flows, steps = 5, 4, 5 + 4 + 3 + 2
    aside = 1
    single = 9  # KPIs without a label of their own
    durations, of_each = 4, 3
    found = load(SOURCE, {}).series
    assert sum(found[family.name] for family in TOTALS) == windows * (
        single + outcomes + 2 * steps + (steps - flows - aside) + flows + durations * of_each
    )
    assert sum(found[family.name] for family in SEGMENTS) == by_segment * segments * (
        single + outcomes + steps + flows + durations * of_each
    )


def test_exactly_the_limit_is_allowed() -> None:
    n = sum(load(SOURCE, {}).series.values())
    assert sum(load(SOURCE + f"series_limit: {n}", {}).series.values()) == n
    with pytest.raises(ConfigurationError, match=f"at most {n - 1} series, found {n} = "):
        load(SOURCE + f"series_limit: {n - 1}", {})
