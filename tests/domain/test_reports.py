"""Reports by day: which days there are, and what is undefined."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from exporter.domain.reports import (
    DATA_REPORTS,
    Milestone,
    UnknownReport,
    milestones,
    report,
    segmentations,
    segmented,
)
from exporter.domain.tally import Counts, tally
from exporter.domain.tally import add as add_counts
from exporter.domain.windows import day_of
from tests.builders import ms, persona
from tests.domain.reading import blob, interaction, reader

JUNE = datetime(2013, 6, 1, tzinfo=UTC)
SHOWN, SIGNED_IN = "screen.rp_info", "assertion_generated"
PASSWORD, SET_PASSWORD = "authenticate.enter_password", "screen.set_password"


def on(day: int, *events: str, hour: int = 9, **fields: Any) -> dict[str, Any]:
    """A blob of the so many-th June."""
    at = JUNE + timedelta(days=day - 1, hours=hour)
    return blob(*events, **{"timestamp": ms(at), **fields})


def made(name: str, *blobs: dict[str, Any], segmentation: str = "") -> dict[str, Any]:
    """A report over some blobs, as it comes out of their counts by day."""
    days: dict[date, dict[str, Counts]] = {}
    found = tally(reader().layout, [interaction(one).facts for one in blobs])
    for key, counts in sorted(found.items()):
        if key.segmentation == segmentation:
            into = days.setdefault(day_of(key.hour), {}).setdefault(key.segment, {})
            add_counts(into, counts)
    return report(name, days, reader().layout, by_segment=bool(segmentation))


def entries(report: dict[str, Any], column: str = "Total") -> dict[str, float | None]:
    """Value by day of the month."""
    return {entry["category"][-2:]: entry["value"] for entry in report[column]}


def test_a_day_is_of_utc_and_of_the_timestamp() -> None:
    late, early = JUNE - timedelta(milliseconds=1), JUNE
    found = made("assertions", blob(SHOWN, timestamp=ms(early)), blob(SHOWN, timestamp=ms(late)))

    assert found == {
        "Total": [
            {"category": "2013-05-31", "value": 1},
            {"category": "2013-06-01", "value": 1},
        ]
    }


@pytest.mark.parametrize("name", DATA_REPORTS)
def test_without_interactions_a_report_keeps_its_shape(name: str) -> None:
    nothing, step = made(name), "1 - Enter email"
    match name:
        case "new_user":
            assert (nothing["Total"][step], set(nothing["Total"].values())) == (0, {0})
        case "new_user_time":
            assert (nothing[step], len(nothing)) == ({}, 4)
        case "durations":
            assert set(nothing) == {"Total"}
            assert set(map(len, nothing["Total"].values())) == {0}
        case _:
            assert nothing == {"Total": []} or set(map(len, nothing.values())) == {0}


@pytest.mark.parametrize("name", [name for name in DATA_REPORTS if segmented(name)])
def test_by_segment_only_those_with_interactions_are_there(name: str) -> None:
    assert made(name, segmentation="OS") == {}


def test_a_day_without_interactions_is_left_out() -> None:
    assert entries(made("assertions", on(1, SHOWN), on(3, SHOWN), on(3, "xhr"))) == {
        "01": 1,
        "03": 2,
    }


@pytest.mark.parametrize("name", ["new_user_success", "new_user_per_day", "new_user_bounce"])
def test_a_report_on_outcomes_leaves_out_days_without_an_outcome(name: str) -> None:
    found = made(name, on(1, SHOWN), on(2, SIGNED_IN))

    assert list(entries(found)) == ["01"]


def test_a_day_of_returning_users_alone_has_an_undefined_share_of_new_ones() -> None:
    returning = on(1, SHOWN, PASSWORD, SIGNED_IN)

    assert entries(made("new_user_success", returning)) == {"01": None}
    assert entries(made("new_user_bounce", returning)) == {"01": None}
    assert entries(made("new_user_per_day", returning)) == {"01": 0}


def test_the_bounce_rate_is_1_when_nobody_engaged_and_undefined_when_nothing_was_shown() -> None:
    found = made("bounce_rate", on(1, SHOWN), on(2, "xhr"), on(3, SHOWN, PASSWORD))

    assert entries(found) == {"01": 1, "02": None, "03": 0}


def test_shares_of_steps_are_of_the_first_step() -> None:
    found = made(
        "new_user_time",
        on(1, SET_PASSWORD),
        on(1, SET_PASSWORD, "user.user_staged"),
        on(1, "staging_continuation", SIGNED_IN),
    )

    assert found == {
        "1 - Enter email": {"2013-06-01": 1},
        "2 - Choose password": {"2013-06-01": 0.5},
        "3 - Email verified": {"2013-06-01": 0.5},
        "4 - Logged in (assertion generated)": {"2013-06-01": 0.5},
    }


def test_a_step_that_nobody_reached_has_share_0_and_without_a_first_step_it_is_undefined() -> None:
    found = made("new_user_time", on(1, "staging_continuation", SIGNED_IN))

    assert found == {
        "1 - Enter email": {"2013-06-01": 0},
        "2 - Choose password": {"2013-06-01": 0},
        "3 - Email verified": {"2013-06-01": None},
        "4 - Logged in (assertion generated)": {"2013-06-01": None},
    }


@pytest.mark.parametrize("name", ["new_user_time", "password_reset", "add_email"])
def test_a_day_without_a_blob_of_the_flow_is_left_out(name: str) -> None:
    found = made(name, on(1, SHOWN, PASSWORD), on(2, "staging_continuation"))

    assert found == made(name)
    assert set(map(len, found.values())) == {0}


def test_the_new_user_flow_adds_up_the_days() -> None:
    found = made("new_user", on(1, SET_PASSWORD), on(2, SET_PASSWORD, "user.user_staged"))

    assert found == {
        "Total": {
            "1 - Enter email": 2,
            "2 - Choose password": 1,
            "3 - Email verified": 0,
            "4 - Logged in (assertion generated)": 0,
        }
    }


def test_by_segment_each_has_the_days_on_which_it_has_data() -> None:
    found = made(
        "assertions",
        on(1, SHOWN, lang="en"),
        on(2, SHOWN, lang="de"),
        on(3, SHOWN, lang="tlh"),
        segmentation="Locale",
    )

    assert {segment: list(entries(found, segment)) for segment in found} == {
        "English": ["01"],
        "German": ["02"],
        "Other": ["03"],
    }


def test_mean_and_median_of_sites_are_by_day() -> None:
    days = [on(1, SHOWN, number_sites_signed_in=n) for n in (0, 0, 6)]

    assert entries(made("sites", *days)) == {"01": 2}
    assert entries(made("sites_median", *days)) == {"01": 0}


def test_an_unknown_report_is_refused() -> None:
    with pytest.raises(UnknownReport):
        made("conversions")


def test_segmentations_are_listed_with_their_rest() -> None:
    listed = segmentations(persona())

    assert listed["Browser"] == ["Firefox", "Chrome", "MSIE", "Safari", "Other"]
    assert listed["Emails"] == ["0", "1", "2", "3+", "Unknown", "Other"]


def test_milestones_are_listed_by_date() -> None:
    marks = [
        Milestone(name=name, date=date(2013, month, 1)) for name, month in (("b", 8), ("a", 7))
    ]

    assert milestones(marks) == [
        {"milestone": "a", "date": "2013-07-01"},
        {"milestone": "b", "date": "2013-08-01"},
    ]
