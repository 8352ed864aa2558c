"""Periods, added up in advance, against the days that they are made of."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.layout import TOTAL_ROW
from exporter.domain.reports import InvalidSegmentation
from exporter.domain.tally import Counts, add
from exporter.domain.windows import day_of, first_hour_of
from exporter.metrics.periods import PERIODS_DAYS, Periods, take_periods
from exporter.ports import TallyStore
from tests.builders import AT, crowd, persona, sqlite_store

TODAY = AT.date()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TallyStore]:
    start = AT - timedelta(days=2 * max(PERIODS_DAYS) + 5)
    with closing(sqlite_store(tmp_path / "kpi.db", crowd(1, 600, start, AT))) as filled:
        yield filled


@pytest.fixture
def periods(store: TallyStore) -> Periods:
    return take_periods(store, Evaluator(persona()), TODAY)


def summed(
    store: TallyStore, segmentation: str, first: int, end: int
) -> dict[tuple[str, str], Counts]:
    """Add up the days from `first` days before today until `end` days before it, one by one."""
    sums: dict[tuple[str, str], Counts] = {}
    start, after = (first_hour_of(TODAY - timedelta(days=ago)) for ago in (first, end))
    for row in store.by_day(start, after, (segmentation,)):
        add(sums.setdefault((row.segmentation, row.segment), {}), row.counts)
    return sums


@pytest.mark.parametrize("length", PERIODS_DAYS)
@pytest.mark.parametrize("segmentation", [None, "OS", "EmailType"])
def test_a_period_is_the_sum_of_its_days(
    store: TallyStore, periods: Periods, length: int, segmentation: str | None
) -> None:
    period = periods.period(length, segmentation)

    for counted, span in ((period.now, (length, 0)), (period.before, (2 * length, length))):
        expected = summed(store, "", *span)
        if segmentation:
            expected |= summed(store, segmentation, *span)
        assert {row: counts for row, counts in counted.items() if counts} == expected


def test_a_period_names_every_segment_in_the_configured_order(periods: Periods) -> None:
    by = persona().segmentation("OS")
    assert by is not None
    named = [TOTAL_ROW, *(("OS", segment) for segment in by.all_segments)]
    assert list(periods.period(7, "OS").now) == named


@pytest.mark.parametrize("length", PERIODS_DAYS)
def test_a_period_has_each_of_its_days_and_today(
    store: TallyStore, periods: Periods, length: int
) -> None:
    days = periods.period(length).days

    assert list(days) == [TODAY - timedelta(days=length - n) for n in range(length + 1)]
    end = first_hour_of(TODAY + timedelta(days=1))
    rows = store.by_day(first_hour_of(min(days)), end, ("",))
    assert {day: of for day, of in days.items() if of} == {day_of(r.start): r.counts for r in rows}


def test_an_unknown_segmentation_is_refused(periods: Periods) -> None:
    with pytest.raises(InvalidSegmentation):
        periods.period(7, "Moon")
