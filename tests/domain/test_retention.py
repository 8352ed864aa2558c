"""The clock is a witness, not a judge: what is dropped, the data confirm."""

from datetime import UTC, datetime, timedelta

import pytest

from exporter.domain.retention import cutoff

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
HOUR, DAY, YEAR = timedelta(hours=1), timedelta(days=1), timedelta(days=365)
RETENTION = 400 * DAY


def dropped_before(
    *, now: datetime = NOW, newest: datetime | None = NOW, last: datetime | None = NOW
) -> datetime | None:
    return cutoff(now, retention=RETENTION, newest=newest, last_trusted=last)


def test_what_is_past_the_retention_goes() -> None:
    assert dropped_before() == NOW - RETENTION
    assert dropped_before(last=NOW - 6 * HOUR, newest=NOW - HOUR) == NOW - RETENTION


@pytest.mark.parametrize("ahead", [2 * DAY, 2 * YEAR])
def test_a_clock_that_leaps_ahead_is_doubted_until_data_confirm_it(ahead: timedelta) -> None:
    assert dropped_before(now=NOW + ahead) is None
    assert dropped_before(now=NOW + ahead, last=None) is None
    assert dropped_before(now=NOW + ahead, newest=NOW + ahead - HOUR) == NOW + ahead - RETENTION


def test_one_row_from_the_future_confirms_no_clock() -> None:
    assert dropped_before(now=NOW + 2 * YEAR, newest=NOW + YEAR) is None


def test_a_source_that_falls_silent_keeps_its_last_interactions() -> None:
    newest = NOW - 30 * DAY
    assert dropped_before(newest=newest, last=NOW - HOUR) == newest + DAY - RETENTION


def test_a_clock_that_was_set_back_drops_less() -> None:
    assert dropped_before(now=NOW - YEAR) == NOW - YEAR - RETENTION


def test_nothing_is_dropped_from_an_empty_store() -> None:
    assert dropped_before(newest=None) is None
