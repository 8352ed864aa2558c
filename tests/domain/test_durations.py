"""How long interactions take: from offsets, by the definitions, in buckets."""

import json
from collections.abc import Sequence
from datetime import timedelta
from math import isnan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import load
from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.definitions import Definitions
from exporter.domain.histogram import DURATION_BUCKETS, duration_bucket, duration_ms
from exporter.domain.interaction import Row
from exporter.domain.kpis import KPIS
from exporter.domain.tally import Counts, Key, Tally, add, merge
from tests.builders import ANY_TIME_MS, AT, ms, persona
from tests.config.texts import SOURCE

SHOWN, SIGNED_IN = "screen.rp_info", "assertion_generated"
LOADING, SET_PASSWORD = "window.dom_loading", "screen.set_password"
RESET = "user.reset_password_staged"
TOTAL = ("", "Total")


def own(durations: str) -> Definitions:
    return load(f"{SOURCE}durations: {durations}", {}).definitions


def row(stream: Sequence[Any], number: int = 0, hours: int = 0) -> Row:
    blob = {"event_stream": stream, "timestamp": ms(AT + timedelta(hours=hours))}
    return Row(f"id{number}", json.dumps(blob).encode())


def counts_of(tally: Tally) -> Counts:
    total: Counts = {}
    for key, counts in tally.items():
        if (key.segmentation, key.segment) == TOTAL:
            add(total, counts)
    return total


def of(definitions: Definitions, counts: Counts) -> dict[str, tuple[float, float, float]]:
    """Sample size, median and 90th percentile of each duration, in seconds."""
    layout = Evaluator(definitions).layout
    for slots in layout.durations.values():
        buckets = range(slots.buckets, slots.buckets + DURATION_BUCKETS)
        in_buckets = sum(counts.get(slot, 0) for slot in buckets)
        assert in_buckets == counts.get(slots.interactions, 0)
    found = [
        {name: number.value for (name,), number in KPIS[kpi].compute(layout, counts)}
        for kpi in ("duration_interactions", "duration_median_seconds", "duration_p90_seconds")
    ]
    return {name: (found[0][name], found[1][name], found[2][name]) for name in found[0]}


def taken(*stream: Any, definitions: Definitions | None = None) -> dict[str, float]:
    """The durations that one interaction has, in the seconds that their buckets stand for."""
    chosen = definitions or persona()
    evaluator = Evaluator(chosen)
    tally = evaluator.tally(evaluator.read([row(stream)], ANY_TIME_MS))  # type: ignore[arg-type]
    found = of(chosen, counts_of(tally))
    return {name: median for name, (n, median, _) in found.items() if n}


def seconds(took_ms: float) -> float:
    return duration_ms(duration_bucket(took_ms)) / 1000


def test_personas_four() -> None:
    stream = [
        [LOADING, 10],
        [SHOWN, 510],
        [SET_PASSWORD, 2_510],
        [RESET, 4_000],
        [SIGNED_IN, 30_510],
    ]
    assert taken(*stream) == {
        "dialog_load": seconds(500),
        "sign_in": seconds(30_000),
        "new_user": seconds(28_000),
        "password_reset": seconds(26_510),
    }


def test_a_duration_of_a_flow_is_of_those_who_belong_to_it() -> None:
    stream = [[SHOWN, 0], [SET_PASSWORD, 1_000], [SIGNED_IN, 5_000]]
    assert taken(*stream).keys() == {"sign_in", "new_user"}
    assert taken(*stream, ["authenticate.enter_password", 7]).keys() == {"sign_in"}


@pytest.mark.parametrize(
    "offset",
    [0, 5_000, 86_400_000, "5000", " 5000 ", "5e3", "4999.5", 4_999.5, -0.0, 1],
)
def test_numbers_and_strings_that_hold_one_are_offsets(offset: Any) -> None:
    at = float(offset)
    assert taken([LOADING, 0], [SHOWN, offset]) == {"dialog_load": seconds(at)}


@pytest.mark.parametrize(
    "rest",
    [
        [],
        [None],
        [-1],
        [-0.5],
        ["-5"],
        [86_400_001],
        [10**400],
        ["1e400"],
        ["soon"],
        [""],
        [True],
        [[5_000]],
        [{"ms": 5_000}],
        [None, 5_000],
    ],
)
def test_anything_else_is_no_offset_and_the_event_counts_in_flows(rest: list[Any]) -> None:
    evaluator = Evaluator(persona())
    (read,) = evaluator.read([row([[LOADING, 0], [SHOWN, *rest], [SIGNED_IN, 900]])], ANY_TIME_MS)

    counts = counts_of(evaluator.tally([read]))  # type: ignore[list-item]

    assert counts[evaluator.layout.shown] == 1
    assert of(persona(), counts)["sign_in"][0] == 0
    assert of(persona(), counts)["dialog_load"][0] == 0


@pytest.mark.parametrize("number", ["1e400", "-1e400", "1" + "0" * 400])
def test_an_offset_beyond_every_number_loses_no_interaction(number: str) -> None:
    for more in ("", ',"lang":{"not":"a text"}'):
        raw = (
            f'{{"timestamp":{ms(AT)},"event_stream":[["{SHOWN}",{number}],["{SHOWN}",7],'
            f'["{SIGNED_IN}",1007]]{more}}}'
        )
        evaluator = Evaluator(persona())
        read = evaluator.read([Row("id", raw.encode())], ANY_TIME_MS)
        counts = counts_of(evaluator.tally(read))  # type: ignore[arg-type]
        assert of(persona(), counts)["sign_in"] == (1, seconds(1_000), seconds(1_000))


def test_a_blob_with_a_field_of_another_type_has_its_durations_too() -> None:
    evaluator = Evaluator(persona())
    blob = {
        "timestamp": ms(AT),
        "event_stream": [[SHOWN, "100"], [SIGNED_IN, 1_100]],
        "user_agent": "Mozilla/5.0",
        "lang": ["en"],
    }
    (read,) = evaluator.read([Row("id", json.dumps(blob).encode())], ANY_TIME_MS)
    counts = counts_of(evaluator.tally([read]))  # type: ignore[list-item]
    assert of(persona(), counts)["sign_in"] == (1, seconds(1_000), seconds(1_000))


def test_it_begins_with_the_smallest_offset_and_ends_with_the_smallest_that_follows() -> None:
    assert taken(
        [SIGNED_IN, 90],
        [SHOWN, 500],
        [SHOWN, 100],
        [SIGNED_IN, 9_000],
        [SIGNED_IN, 2_100],
        [SIGNED_IN, 1],
    ) == {"sign_in": seconds(2_000)}


def test_an_end_before_the_start_is_none() -> None:
    assert taken([SHOWN, 500], [SIGNED_IN, 499]) == {}
    assert taken([SHOWN, 500], [SIGNED_IN, 500]) == {"sign_in": 0}


def test_a_repeated_event_without_an_offset_does_not_hide_the_other() -> None:
    assert taken([SHOWN, "x"], [SHOWN, 100], [SIGNED_IN, None], [SIGNED_IN, 300]) == {
        "sign_in": seconds(200)
    }


def test_any_of_and_contains_match_as_in_rules() -> None:
    definitions = own(
        "{stuck: {from: {any_of: [a, b]}, to: {contains: error}}, same: {from: {event: a}, to:"
        " {event: a}}}"
    )
    found = taken(["b", 100], ["a", 200], ["x.error.y", 1_200], definitions=definitions)
    assert found == {"stuck": seconds(1_100), "same": 0}


def test_without_durations_there_is_none_and_nothing_is_exposed() -> None:
    counts = counts_of(Evaluator(own("{}")).tally([]))
    assert of(own("{}"), counts) == {}


def test_own_flows_have_no_durations_but_their_own() -> None:
    flows = """
flows:
  general_progress:
    steps: [{name: 1 - Dialog shown, event: a}, {name: 2 - User engaged, event: b}]
outcomes:
  shown: {flow: general_progress, step: 1 - Dialog shown}
  engaged: {flow: general_progress, step: 2 - User engaged}
  signed_in: {event: b}
segmentations: {}
"""
    assert load(SOURCE + flows, {}).definitions.durations == ()


def test_the_digest_changes_with_the_durations_and_with_the_buckets() -> None:
    one = own("{d: {from: {event: a}, to: {event: b}}}")
    other = own("{d: {from: {event: a}, to: {event: c}}}")
    text = one.to_json().replace(one.buckets.encode(), b"other buckets")

    assert len({one.digest, other.digest, Definitions.from_json(text).digest}) == 3


def test_definitions_of_an_earlier_version_keep_text_and_digest() -> None:
    old = json.loads(persona().to_json())
    del old["durations"], old["buckets"]
    text = json.dumps(old).encode()

    read = Definitions.from_json(text)

    assert read.durations == ()
    assert read.to_json() == text
    assert read.digest == Definitions.from_json(text).digest != persona().digest


_offsets = st.one_of(
    st.integers(-5, 200_000),
    st.floats(0, 100_000),
    st.sampled_from(["10", "7.5", "x", None, 86_400_001, True]),
)
_events = st.sampled_from([LOADING, SHOWN, SET_PASSWORD, RESET, SIGNED_IN, "user.user_staged"])
_streams = st.lists(st.tuples(_events, _offsets).map(list), min_size=1, max_size=6)


def naively(streams: Sequence[Sequence[Any]]) -> dict[str, tuple[float, float, float]]:
    """Persona's durations a second time, from the streams by themselves."""
    found: dict[str, list[float]] = {
        name: [] for name in ("dialog_load", "sign_in", "new_user", "password_reset")
    }
    for stream in streams:
        names = {name for name, _ in stream}
        at = [
            (name, float(offset))
            for name, offset in stream
            if not isinstance(offset, bool)
            and offset not in (None, "x")
            and 0 <= float(offset) <= 86_400_000
        ]
        for duration, begin, end, belongs in (
            ("dialog_load", LOADING, SHOWN, True),
            ("sign_in", SHOWN, SIGNED_IN, True),
            ("new_user", SET_PASSWORD, SIGNED_IN, SET_PASSWORD in names),
            ("password_reset", RESET, SIGNED_IN, RESET in names),
        ):
            starts = [ms for name, ms in at if name == begin]
            ends = [ms for name, ms in at if name == end and starts and ms >= min(starts)]
            if belongs and ends:
                found[duration].append(min(ends) - min(starts))
    return {
        name: (
            len(values),
            *(
                seconds(sorted(values)[percent * (len(values) - 1) // 100])
                if values
                else float("nan")
                for percent in (50, 90)
            ),
        )  # type: ignore[misc]
        for name, values in found.items()
    }


@given(st.lists(st.tuples(_streams, st.integers(0, 2)), max_size=20), st.data())
def test_any_split_over_hours_batches_and_order_gives_the_same_numbers(
    interactions: list[tuple[list[Any], int]], data: st.DataObject
) -> None:
    evaluator = Evaluator(persona())
    rows = [row(stream, n, hours) for n, (stream, hours) in enumerate(interactions)]
    shuffled = data.draw(st.permutations(rows))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=4)))

    whole: Tally = {}
    for start, end in zip([0, *cuts], [*cuts, len(rows)], strict=True):
        read = evaluator.read(shuffled[start:end], ANY_TIME_MS)
        merge(whole, evaluator.tally(read))  # type: ignore[arg-type]

    found = of(persona(), counts_of(whole))
    right = naively([stream for stream, _ in interactions])
    for name, (n, *quantiles) in right.items():
        assert found[name][0] == n
        for value, expected in zip(found[name][1:], quantiles, strict=True):
            assert value == expected or (isnan(value) and isnan(expected))


def test_interactions_that_take_as_long_in_one_hour_each_count() -> None:
    evaluator = Evaluator(persona())
    rows = [row([[SHOWN, 0], [SIGNED_IN, 2_000 + n]], n) for n in range(5)]

    counts = counts_of(evaluator.tally(evaluator.read(rows, ANY_TIME_MS)))  # type: ignore[arg-type]

    assert of(persona(), counts)["sign_in"] == (5, seconds(2_000), seconds(2_000))


def test_a_tally_of_a_number_of_sites_beyond_1000_is_added_to_its_bucket() -> None:
    evaluator = Evaluator(persona())
    blobs = [
        {"event_stream": [[SHOWN, 1]], "timestamp": ms(AT), "number_sites_signed_in": sites}
        for sites in (5_000, 5_001, 900_000, 1_000)
    ]
    rows = [Row(f"{n}", json.dumps(blob).encode()) for n, blob in enumerate(blobs)]

    tally = evaluator.tally(evaluator.read(rows, ANY_TIME_MS))  # type: ignore[arg-type]
    counts = tally[Key(ms(AT) // 3_600_000, *TOTAL)]

    assert counts[evaluator.layout.sites] == 911_001
    assert max(counts) < evaluator.layout.sites_histogram + 1_071
    ((_, median),) = KPIS["sites_signed_in_median"].compute(evaluator.layout, counts)
    assert median.value == pytest.approx(5_000, rel=0.05)
