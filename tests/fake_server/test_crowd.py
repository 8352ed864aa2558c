"""Who comes when, and when the news of it arrives."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from fake_server import Arrivals, Crowd, Incident, Lateness, Plan, Truth
from fake_server.blob import write
from fake_server.incidents import CROWDS, KINDS, read_incidents
from fake_server.pace import durations_ms
from fake_server.rows import from_plan

UNTIL = datetime(2026, 11, 1, tzinfo=UTC)
SINCE = UNTIL - timedelta(days=3)


def records(plans: list[Plan]) -> list[object]:
    return [from_plan(plan) for plan in plans]


def test_a_seed_decides_everything() -> None:
    one, same, other = (records(list(Crowd(seed=seed).plans(SINCE, UNTIL))) for seed in (1, 1, 2))

    assert one == same
    assert one != other


def test_a_range_holds_the_same_however_it_is_cut() -> None:
    crowd = Crowd()
    cuts = [SINCE, SINCE + timedelta(minutes=10), SINCE + timedelta(hours=31), UNTIL]

    parts = [plan for cut in pairwise(cuts) for plan in crowd.plans(*cut)]

    assert records(parts) == records(list(crowd.plans(SINCE, UNTIL)))


def test_timestamps_are_whole_ten_minutes_inside_the_range() -> None:
    timestamps = [plan.timestamp_ms for plan in Crowd().plans(SINCE, UNTIL)]

    assert timestamps == sorted(timestamps)
    assert {timestamp % 600_000 for timestamp in timestamps} == {0}
    assert SINCE.timestamp() * 1000 <= timestamps[0] <= timestamps[-1] < UNTIL.timestamp() * 1000


def test_as_many_come_as_asked_for_but_fewer_by_night_and_at_weekends() -> None:
    plans = list(Crowd(per_day=2000).plans(UNTIL - timedelta(days=7), UNTIL))
    moments = [datetime.fromtimestamp(plan.timestamp_ms / 1000, UTC) for plan in plans]
    by_hour = Counter(moment.hour for moment in moments)
    by_weekday = Counter(moment.weekday() for moment in moments)

    assert len(plans) == pytest.approx(7 * 2000, rel=0.03)
    assert by_hour[3] * 3 < by_hour[15]
    assert by_weekday[5] * 1.3 < by_weekday[2]


def test_as_many_come_as_asked_for_by_the_thousand_too() -> None:
    plans = list(Crowd(per_day=200_000).plans(UNTIL - timedelta(minutes=20), UNTIL))
    assert 1000 < len(plans) < 3000


def test_everything_arrives_once_in_the_order_of_arrival() -> None:
    crowd = Crowd(lateness=Lateness(share=0.5, most=timedelta(days=2)))
    arrivals = Arrivals(crowd, SINCE)

    arrived = [
        plan
        for hours in range(0, 24 * 6, 5)
        for plan in arrivals.until(SINCE + timedelta(hours=hours))
    ]

    assert [plan.arrives_ms for plan in arrived] == sorted(plan.arrives_ms for plan in arrived)
    expected = {plan.number for plan in crowd.plans(SINCE, UNTIL)}
    assert expected <= {plan.number for plan in arrived}
    assert len({plan.number for plan in arrived}) == len(arrived)


def test_as_many_are_late_as_asked_for_and_no_later_than_allowed() -> None:
    crowd = Crowd(per_day=2000, lateness=Lateness(share=0.6, most=timedelta(days=60)))
    delays = [plan.arrives_ms - plan.timestamp_ms for plan in crowd.plans(SINCE, UNTIL)]
    hour_ms, ten_minutes_ms = 3_600_000, 600_000

    late = [delay for delay in delays if delay >= hour_ms]

    assert len(late) / len(delays) == pytest.approx(0.6, abs=0.03)
    assert all(delay >= 1_000 for delay in delays)
    assert max(late) <= 60 * 24 * hour_ms + ten_minutes_ms
    assert max(late) > 40 * 24 * hour_ms


def total(crowd: Crowd, since: datetime = SINCE, until: datetime = UNTIL) -> dict[str, int]:
    truth = Truth()
    truth.add(crowd.plans(since, until))
    tallies = truth.window(since, until)
    tally = tallies["Total"]
    return {
        "attempts": tally["attempts"],
        **tally["outcomes"],
        "confirmed": tally["flows"]["new_user"]["3 - Email verified"],
        "reset": tally["flows"]["password_reset"]["2 - New password confirmed"],
        "errors": tally["flows"]["general_progress"]["3 - Error screen"],
        "windows 7 assertions": tallies["OS"]["Windows 7"]["outcomes"]["assertion"]
        if "Windows 7" in tallies["OS"]
        else 0,
    }


@pytest.mark.parametrize(
    ("kind", "gone", "grown"),
    [
        ("no_traffic", "attempts", None),
        ("bounce", "fail", "bounce"),
        ("broken", "assertion", "fail"),
        ("errors", "assertion", "errors"),
        ("mail_down", "confirmed", "fail"),
        ("password_reset_broken", "reset", "fail"),
        ("idp_down", "idp", "fail"),
    ],
)
def test_an_incident_is_in_the_truth(kind: str, gone: str, grown: str | None) -> None:
    quiet = total(Crowd(per_day=1000))

    hit = total(Crowd(per_day=1000, incidents=(Incident(kind=kind, start=SINCE, end=UNTIL),)))

    assert quiet[gone] > 0
    assert hit[gone] == 0
    assert grown is None or hit[grown] > quiet[grown]


def test_each_kind_of_incident_is_tested() -> None:
    marks = test_an_incident_is_in_the_truth.pytestmark  # type: ignore[attr-defined]
    assert {case[0] for case in marks[0].args[1]} | {"slow"} | CROWDS.keys() == KINDS.keys()


@pytest.mark.parametrize(
    ("kind", "grown"), [("crowd", None), ("bots", "bounce"), ("load_test", "assertion")]
)
def test_a_crowd_comes_on_top_and_leaves_the_others_as_they_are(
    kind: str, grown: str | None
) -> None:
    incident = Incident(kind=kind, start=SINCE, end=UNTIL, factor=8)
    quiet, hit = (
        {plan.number: plan for plan in Crowd(per_day=300, incidents=each).plans(SINCE, UNTIL)}
        for each in ((), (incident,))
    )

    assert {number: hit[number] for number in quiet} == quiet
    more = [plan for number, plan in hit.items() if number not in quiet]
    assert len(more) == pytest.approx(7 * len(quiet), rel=0.1)
    outcomes = {plan.journey.outcome for plan in more}
    assert outcomes == ({grown} if grown else {plan.journey.outcome for plan in quiet.values()})


@pytest.mark.parametrize(
    "wrong", [{"factor": 0.5}, {"segmentation": "OS", "segment": "Linux"}], ids=str
)
def test_a_crowd_that_is_none_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="bots brings everybody"):
        Incident(kind="bots", start=SINCE, end=UNTIL, **wrong)


def test_in_a_slow_time_those_that_it_touches_take_longer_and_do_the_same() -> None:
    slow = Incident(
        kind="slow", start=SINCE, end=UNTIL, segmentation="Browser", segment="MSIE", factor=3
    )
    quiet = list(Crowd(per_day=1000).plans(SINCE, UNTIL))
    hit = list(Crowd(per_day=1000, incidents=(slow,)).plans(SINCE, UNTIL))

    assert [plan.journey for plan in hit] == [plan.journey for plan in quiet]
    for before, after in zip(quiet, hit, strict=True):
        times = 3 if before.segments[1] == "MSIE" else 1
        assert after.slowness == before.slowness * times


def test_phones_and_newcomers_take_longer() -> None:
    truth = Truth()
    truth.add(Crowd(per_day=3000).plans(SINCE, UNTIL))
    met = truth.window(SINCE, UNTIL)

    def half(of: dict[str, Any], name: str) -> float:
        return float(median(of["durations"][name]))

    assert half(met["OS"]["Android"], "sign_in") > 1.3 * half(met["OS"]["Windows 7"], "sign_in")
    assert half(met["Total"], "new_user") > 3 * half(met["Total"], "sign_in")


def test_the_same_users_take_the_same_time_in_blob_and_truth() -> None:
    (plan, *_) = (plan for plan in Crowd().plans(SINCE, UNTIL) if plan.journey.name == "signs up")
    stream = json.loads(write(plan))["event_stream"]
    at = {name: offset for name, offset, *_ in reversed(stream)}

    assert durations_ms(plan.journey, plan.chance, plan.slowness) == {
        "dialog_load": at["screen.rp_info"] - at["window.dom_loading"],
        "sign_in": at["assertion_generated"] - at["screen.rp_info"],
        "new_user": at["assertion_generated"] - at["screen.set_password"],
    }


def test_an_incident_leaves_other_times_and_segments_as_they_were() -> None:
    noon = SINCE + timedelta(hours=12)
    broken = Incident(kind="broken", start=SINCE, end=noon, segmentation="OS", segment="Windows 7")
    quiet, disturbed = Crowd(per_day=1000), Crowd(per_day=1000, incidents=(broken,))

    assert total(disturbed, SINCE, noon)["windows 7 assertions"] == 0
    assert total(disturbed, SINCE, noon)["assertion"] > 0
    assert records(list(disturbed.plans(noon, UNTIL))) == records(list(quiet.plans(noon, UNTIL)))


def test_a_rising_incident_begins_with_nothing_and_ends_with_all() -> None:
    rising = Incident(kind="bounce", start=SINCE, end=UNTIL, severity=0.9, rising=True)
    crowd = Crowd(per_day=3000, incidents=(rising,))
    day = timedelta(days=1)

    first, last = total(crowd, SINCE, SINCE + day), total(crowd, UNTIL - day, UNTIL)

    assert first["bounce"] / first["attempts"] < 0.45
    assert last["bounce"] / last["attempts"] > 0.75


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"kind": "no_such"}, "no such kind"),
        ({"end": SINCE}, "ends before"),
        ({"severity": 90}, "0 to 1"),
        ({"segmentation": "OS", "segment": "Windows7"}, "no user is in OS: Windows7"),
        ({"segmentation": "EmailType", "segment": "IdP"}, "no user is in EmailType"),
    ],
)
def test_an_incident_that_could_never_happen_is_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Incident(**{"kind": "broken", "start": SINCE, "end": UNTIL, **wrong})


def test_incidents_are_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "incidents.json"
    file.write_text(
        '[{"kind": "mail_down", "start": "2026-10-01", "end": "2026-10-01T06:00+02:00"},'
        ' {"kind": "bounce", "start": "2026-10-03", "end": "2026-10-04", "severity": 0.2,'
        '  "rising": true, "segmentation": "OS", "segment": "Linux"}]'
    )

    first, second = read_incidents(file)

    assert (first.start, first.end) == (
        datetime(2026, 10, 1, tzinfo=UTC),
        datetime(2026, 10, 1, 4, tzinfo=UTC),
    )
    assert (second.severity, second.rising, second.segment) == (0.2, True, "Linux")
