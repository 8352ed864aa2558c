"""The history holds, at every instant, what a scrape of then would have found."""

import io
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from math import ceil, isnan
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.interaction import Row
from exporter.domain.reports import Milestone
from exporter.domain.windows import Window, hour_of
from exporter.metrics.backfill import Grid, History
from exporter.metrics.exposition import kpi_metrics, milestone_metrics
from exporter.metrics.snapshot import take_snapshot
from exporter.ports import PeriodCounts, Store
from tests.builders import BOUNCE, crowd, fewer_segments, row, rows_between, sqlite_store

WINDOWS = (
    Window(name="3h", hours=3),
    Window(name="1d", hours=24),
    Window(name="1h", hours=1),
    Window(name="3d", hours=72),
)
FIRST = datetime(2013, 7, 1, tzinfo=UTC)
LAST = datetime(2013, 7, 6, tzinfo=UTC)
MARKS = (Milestone(name='Bridge "live"\\', date=date(2013, 7, 3)),)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def written(store: Store, grid: Grid, windows: Sequence[Window] = WINDOWS) -> str:
    out = io.BytesIO()
    history = History(
        Evaluator(fewer_segments()),
        windows=windows,
        milestones=MARKS,
        grid=grid,
        labels={"job": "kpi-exporter", "instance": 'a\n"b"\\'},
        spool=io.BytesIO(),
    )
    assert list(history.compute(store)) == list(range(1, history.hours + 1))
    assert list(history.write(out)) == list(range(1, history.series + 1))
    return out.getvalue().decode()


def samples_at(text: str) -> dict[float, list[Sample]]:
    """What stands at each instant; fails unless the text is OpenMetrics to the letter."""
    found: dict[float, list[Sample]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            assert sample.timestamp is not None
            found.setdefault(float(sample.timestamp), []).append(sample)
    return found


def scraped(store: Store, at: datetime) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    snapshot = take_snapshot(store, Evaluator(fewer_segments()), WINDOWS, at)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in (*kpi_metrics(snapshot), *milestone_metrics(MARKS))
        for sample in family.samples
    }


def same(one: float, other: float) -> bool:
    return one == other or (isnan(one) and isnan(other))


@given(
    rows=st.lists(rows_between(FIRST, LAST), max_size=40),
    start=st.datetimes(FIRST.replace(tzinfo=None), LAST.replace(tzinfo=None)),
    length=st.timedeltas(MINUTE, 9 * HOUR),
    step=st.integers(50, 200),
)
@settings(max_examples=25)
def test_every_sample_is_what_a_scrape_would_have_found(
    rows: list[Row], start: datetime, length: timedelta, step: int
) -> None:
    begin = start.replace(tzinfo=UTC)
    end = (begin + length).replace(microsecond=0) + timedelta(seconds=1)
    grid = Grid(start=begin, end=end, step=step * MINUTE)
    with TemporaryDirectory() as folder:
        store = sqlite_store(Path(folder) / "kpi.db", rows, fewer_segments())

        instants = samples_at(written(store, grid))

        assert len(instants) == len(grid)
        for instant, samples in instants.items():
            expected = scraped(store, datetime.fromtimestamp(instant, tz=UTC))
            assert len(samples) == len(expected)
            for sample in samples:
                labels = dict(sample.labels)
                assert labels.pop("job") == "kpi-exporter"
                assert labels.pop("instance") == 'a\n"b"\\'
                assert same(sample.value, expected[sample.name, frozenset(labels.items())])
        store.close()


@given(
    start=st.datetimes(datetime(2013, 1, 1), datetime(2013, 1, 3)),  # noqa: DTZ001
    seconds=st.integers(1, 200_000),
    step=st.integers(1, 3_000),
)
def test_the_instants_are_the_multiples_of_the_step_and_the_end(
    start: datetime, seconds: int, step: int
) -> None:
    begin = start.replace(tzinfo=UTC)
    end = begin.replace(microsecond=0) + timedelta(seconds=seconds)
    grid = Grid(start=begin, end=end, step=step * MINUTE)

    instants = [at for hour in grid.hours for at in grid.seconds_in(hour)]

    last = int(end.timestamp())
    minutes = range(ceil(begin.timestamp() / 60) * 60, last, 60)
    due = [at for at in minutes if at % (60 * step) == 0]
    assert instants == [*due, last]
    assert len(grid) == len(instants)
    assert all(
        hour_of(datetime.fromtimestamp(at, tz=UTC)) == hour
        for hour in grid.hours
        for at in grid.seconds_in(hour)
    )


def test_the_same_range_twice_is_the_same_text(tmp_path: Path) -> None:
    store = sqlite_store(tmp_path / "kpi.db", crowd(1, 50, FIRST, LAST), fewer_segments())
    grid = Grid(start=FIRST, end=LAST, step=6 * HOUR)

    assert written(store, grid) == written(store, grid)


class Growing:
    """Hours of a store to which one more interaction is added whenever one is read."""

    def __init__(self) -> None:
        self.read: list[int] = []

    def by_hour(self, start: int, end: int) -> Iterator[PeriodCounts]:
        for hour in range(start, end):
            self.read.append(hour)
            yield PeriodCounts(hour, "", "Total", {0: len(self.read)})


def test_each_hour_is_read_once_and_just_before_it_is_due() -> None:
    store = Growing()
    start = hour_of(FIRST)
    history = History(
        Evaluator(fewer_segments()),
        windows=WINDOWS,
        milestones=(),
        grid=Grid(start=FIRST, end=FIRST + 99 * HOUR, step=HOUR),
        labels={},
        spool=io.BytesIO(),
    )

    for done in history.compute(cast("Store", store)):  # no more is asked of it
        assert store.read[-1] <= start + done + 1
    assert store.read == list(range(start - 71, start + 100))


def test_nothing_is_left_in_a_window_that_all_has_left(tmp_path: Path) -> None:
    rows = [row(*BOUNCE, at=FIRST) for _ in range(3)]
    store = sqlite_store(tmp_path / "kpi.db", rows, fewer_segments())
    grid = Grid(start=FIRST, end=FIRST + 4 * HOUR, step=HOUR)

    found = samples_at(written(store, grid, WINDOWS[:1]))

    assert [
        sample.value
        for samples in found.values()
        for sample in samples
        if sample.name == "kpi_sign_in_attempts"
    ] == [3, 3, 3, 0, 0]
