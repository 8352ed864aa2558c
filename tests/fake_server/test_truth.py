"""The truth, which never saw a blob, against blobs that were counted."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from fake_server import Crowd, FakeKpiggybank, Truth
from fake_server.journeys import JOURNEYS
from tests.fake_server.client import rows
from tests.fake_server.recount import days, flatten

UNTIL = datetime(2026, 11, 1, tzinfo=UTC)
WEEK = (UNTIL - timedelta(days=7), UNTIL)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("backend", ["couchdb", "memory"])
def test_truth_equals_a_recount_of_what_is_served(backend: str, seed: int) -> None:
    with FakeKpiggybank(backend=backend) as bank:
        truth = bank.fill(Crowd(seed=seed, per_day=250).plans(*WEEK))
        served = rows(bank)
    blobs = [row["value"] for row in served] if backend == "couchdb" else served

    recounted = days(blobs)

    assert truth.days().keys() == recounted.keys()
    for day, tallies in truth.days().items():
        assert flatten(tallies.pop("Total")) == recounted[day].pop("Total")
        assert {
            name: {segment: flatten(tally) for segment, tally in segments.items()}
            for name, segments in tallies.items()
        } == recounted[day]


def test_every_journey_is_taken_and_every_segment_met() -> None:
    plans = list(Crowd(per_day=3000).plans(*WEEK))
    truth = Truth()
    truth.add(plans)

    met = truth.window(*WEEK)

    assert {plan.journey.name for plan in plans} == {one.name for one in JOURNEYS}
    assert {name: len(segments) for name, segments in met.items() if name != "Total"} == {
        "OS": 10,
        "Browser": 5,
        "Screen": 4,
        "Emails": 5,
        "Locale": 11,
        "API": 6,
        "EmailType": 3,
    }


def test_each_segmentation_adds_up_to_the_total() -> None:
    truth = Truth()
    truth.add(Crowd(per_day=400).plans(*WEEK))

    tallies = truth.window(*WEEK)

    total = flatten(tallies.pop("Total"))
    for segments in tallies.values():
        assert sum((flatten(tally) for tally in segments.values()), start=type(total)()) == total


def test_windows_of_hours_add_up_to_the_day() -> None:
    truth = Truth()
    truth.add(Crowd(per_day=400).plans(*WEEK))
    day = UNTIL - timedelta(days=3)
    noon = day + timedelta(hours=12)

    halves = (
        truth.window(day, noon),
        truth.window(noon, day + timedelta(days=1)),
    )

    summed = flatten(halves[0]["Total"]) + flatten(halves[1]["Total"])
    assert summed == flatten(truth.days()[day.date().isoformat()]["Total"])


def test_every_blob_is_accounted_for() -> None:
    crowd = Crowd(per_day=400, string_timestamps=0.05, missing_timestamps=0.05)
    plans = list(crowd.plans(*WEEK))
    truth = Truth()
    truth.add(plans)

    said = truth.as_json()

    assert said["stored"] == len(plans)
    assert said["counted"] + said["ignored"] + said["missing_timestamps"] == len(plans)
    assert said["counted"] == sum(day["Total"]["attempts"] for day in said["days"].values())
    assert min(said["ignored"], said["string_timestamps"], said["missing_timestamps"]) > 0


def test_truths_of_parts_merge_into_the_truth_of_the_whole() -> None:
    middle = UNTIL - timedelta(days=2, hours=5)
    whole, first, second = Truth(), Truth(), Truth()
    whole.add(Crowd().plans(*WEEK))
    first.add(Crowd().plans(WEEK[0], middle))
    second.add(Crowd().plans(middle, WEEK[1]))

    first.merge(second)

    assert json.dumps(first.as_json(), sort_keys=True) == json.dumps(
        whole.as_json(), sort_keys=True
    )
