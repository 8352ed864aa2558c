"""From a blob to facts: what is used, what is ignored, what is refused and why."""

import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.domain.classify.classifier import OLDEST_TIMESTAMP_MS, Classifier
from exporter.domain.classify.decoder import MAX_DEPTH
from exporter.domain.interaction import Ignored, Interaction, Reason, Rejected, Row
from tests.builders import AT, ms, persona
from tests.domain.reading import NEWEST_MS, blob, interaction, reader, rejected, segments, verdict

SHOWN = "screen.rp_info"
DEEP = b"[" * 10_000 + b"]" * 10_000


@pytest.mark.parametrize("stream", [None, [], "missing"])
def test_a_blob_without_events_is_ignored(stream: Any) -> None:
    content = {"timestamp": ms(AT), "event_stream": stream}
    if stream == "missing":
        del content["event_stream"]

    assert verdict(content) == Ignored("an id", ms(AT))


@pytest.mark.parametrize("timestamp", [None, "yesterday", -5, [], 1e300])
def test_an_ignored_blob_needs_no_timestamp(timestamp: Any) -> None:
    assert verdict({"timestamp": timestamp, "event_stream": []}) == Ignored("an id", None)


@pytest.mark.parametrize(
    ("written", "milliseconds"),
    [
        (1_372_681_800_000, 1_372_681_800_000),
        ("1372681800000", 1_372_681_800_000),
        (" 1372681800000 ", 1_372_681_800_000),
        ("1372681800000.0", 1_372_681_800_000),
        ("1.3726818e12", 1_372_681_800_000),
        (1_372_681_800_000.75, 1_372_681_800_000),
        (OLDEST_TIMESTAMP_MS, OLDEST_TIMESTAMP_MS),
        (NEWEST_MS, NEWEST_MS),
    ],
)
def test_a_timestamp_is_a_number_or_a_string_that_holds_one(
    written: Any, milliseconds: int
) -> None:
    found = interaction(blob(SHOWN, timestamp=written))

    assert found.timestamp_ms == milliseconds
    assert found.facts.hour == milliseconds // 3_600_000


@pytest.mark.parametrize(
    ("written", "reason", "words"),
    [
        (None, Reason.NO_TIMESTAMP, "missing"),
        ("yesterday", Reason.TIMESTAMP_NOT_A_NUMBER, "'yesterday'"),
        ("", Reason.TIMESTAMP_NOT_A_NUMBER, "''"),
        ("NaN", Reason.TIMESTAMP_NOT_A_NUMBER, "'NaN'"),
        ("Infinity", Reason.TIMESTAMP_NOT_A_NUMBER, "'Infinity'"),
        ("0x13f9aa", Reason.TIMESTAMP_NOT_A_NUMBER, "'0x13f9aa'"),
        ("1_372_681_800_000", Reason.TIMESTAMP_NOT_A_NUMBER, "milliseconds"),
        ("9" * 5000, Reason.TIMESTAMP_NOT_A_NUMBER, "'999"),
        (True, Reason.TIMESTAMP_NOT_A_NUMBER, "True"),
        ({"ms": 1_372_681_800_000}, Reason.TIMESTAMP_NOT_A_NUMBER, "{'ms'"),
        ([1_372_681_800_000], Reason.TIMESTAMP_NOT_A_NUMBER, "[137"),
        (1_372_681_800, Reason.TIMESTAMP_IN_SECONDS, "seconds"),
        ("1372681800", Reason.TIMESTAMP_IN_SECONDS, "seconds"),
        (1_372_681_800.5, Reason.TIMESTAMP_IN_SECONDS, "seconds"),
        (-1_372_681_800_000, Reason.TIMESTAMP_OUT_OF_RANGE, "-1372681800000"),
        (0, Reason.TIMESTAMP_OUT_OF_RANGE, "2000-01-01"),
        (OLDEST_TIMESTAMP_MS - 1, Reason.TIMESTAMP_OUT_OF_RANGE, "2000-01-01"),
        (NEWEST_MS + 1, Reason.TIMESTAMP_OUT_OF_RANGE, "ahead of the clock"),
        (99_999_999_999_999, Reason.TIMESTAMP_OUT_OF_RANGE, "ahead of the clock"),
        (1e300, Reason.TIMESTAMP_OUT_OF_RANGE, "1e+300"),
        ("1e999", Reason.TIMESTAMP_NOT_A_NUMBER, "'1e999'"),
        (10**400, Reason.TIMESTAMP_OUT_OF_RANGE, "1000"),
    ],
)
def test_a_blob_without_a_usable_timestamp_is_refused(
    written: Any, reason: Reason, words: str
) -> None:
    found = rejected(blob(SHOWN, timestamp=written))

    assert found.reason is reason
    assert words in found.detail
    assert len(found.detail) < 250


def test_a_missing_timestamp_is_like_a_null_one() -> None:
    assert rejected({"event_stream": [[SHOWN, 1]]}).reason is Reason.NO_TIMESTAMP


@pytest.mark.parametrize(
    "stream",
    [
        "screen.rp_info",
        {"0": ["screen.rp_info", 10]},
        7,
        True,
        ["screen.rp_info", 10],
        [["screen.rp_info", 10], []],
        [["screen.rp_info", 10], [7, 10]],
        [["screen.rp_info", 10], None],
        [[["screen.rp_info"], 10]],
    ],
)
def test_a_stream_that_is_no_list_of_lists_that_start_with_a_string_is_refused(
    stream: Any,
) -> None:
    found = rejected({"timestamp": ms(AT), "event_stream": stream})

    assert found.reason is Reason.EVENT_STREAM
    assert "event_stream" in found.detail


@pytest.mark.parametrize("id_", [7, None, True, 1e300, ["an id"], {"id": "an id"}, "missing"])
def test_a_row_whose_id_is_no_string_is_refused_and_not_taken_for_a_blob(id_: Any) -> None:
    content = {"id": id_, "key": ms(AT), "value": blob(SHOWN)}
    if id_ == "missing":
        del content["id"]

    found = rejected(content)

    assert found.reason is Reason.ID_NOT_A_STRING
    assert "id should be a string" in found.detail


@pytest.mark.parametrize(
    "fields", [{"value": blob()["timestamp"]}, {"value": {"a": 1}}, {"id": "x", "value": blob()}]
)
def test_a_blob_without_events_may_have_a_value_of_its_own(fields: dict[str, Any]) -> None:
    assert isinstance(verdict({"timestamp": ms(AT), **fields}), Ignored)


@pytest.mark.parametrize("event", [[SHOWN], [SHOWN, 1], [SHOWN, 1, 2, 3], [SHOWN, "late", {}]])
def test_what_follows_an_events_name_does_not_matter(event: list[Any]) -> None:
    assert interaction({"timestamp": ms(AT), "event_stream": [event]}).timestamp_ms == ms(AT)


@pytest.mark.parametrize("content", [None, 7, True, "screen.rp_info", [], [1, 2]])
def test_what_is_no_object_is_refused(content: Any) -> None:
    assert rejected(content).reason is Reason.NOT_AN_OBJECT


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"<html>",
        b'{"timestamp":NaN,"event_stream":[["a",1]]}',
        b'{"timestamp":-Infinity,"event_stream":[["a",1]]}',
        b'{"timestamp":1372681800000,"event_stream":[["\xff",1]]}',
        b'{"timestamp":1372681800000,"event_stream":' + DEEP + b"}",
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b"[" * 990,
    ],
    ids=[
        "nothing",
        "cut",
        "html",
        "nan",
        "infinity",
        "no utf-8",
        "lists",
        "objects",
        "never closed",
    ],
)
def test_what_is_no_json_is_refused(raw: bytes) -> None:
    found = rejected(raw)

    assert found.reason is Reason.NOT_JSON
    assert found.raw == raw
    assert len(found.detail) < 250


def test_the_shortest_blob_that_is_too_deep_is_refused() -> None:
    deepest = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH

    assert rejected(deepest).reason is Reason.NOT_AN_OBJECT
    assert rejected(b"[" + deepest + b"]").detail == "nested more than 500 levels deep"


def test_a_number_that_overflows_is_refused_where_it_matters_and_passed_over_elsewhere() -> None:
    timestamp = b'{"timestamp":1e400,"event_stream":[["screen.rp_info",1]]}'
    elsewhere = b'{"timestamp":1372681800000,"event_stream":[["screen.rp_info",1e400]]}'

    assert isinstance(verdict(timestamp), Rejected)
    assert isinstance(verdict(elsewhere), Interaction | Rejected)


@pytest.mark.parametrize(
    "fields",
    [
        {"user_agent": None, "screen_size": "1024x768", "number_emails": [], "lang": 7},
        {"user_agent": "Mozilla", "screen_size": None, "number_emails": {}, "rp_api": None},
        {"user_agent": {"os": {"a": 1}, "browser": []}, "screen_size": {"width": None}},
        {"new_account": "yes", "email_type": False, "number_sites_signed_in": True},
    ],
)
def test_a_field_of_a_wrong_type_counts_as_missing(fields: dict[str, Any]) -> None:
    assert segments(blob(SHOWN, **fields)) == segments(blob(SHOWN))


@pytest.mark.parametrize(
    "fields",
    [
        {"_deleted": True, "_rev": "1-a", "_attachments": {}, "_id": "another"},
        {"__proto__": {"event_stream": []}, "constructor": None},
        {"note": "x" * 10_000_000},
        {"timestamp ": 0, "": {}},
    ],
    ids=["couchdb", "prototype", "10 MB", "odd names"],
)
def test_a_field_that_does_not_count_changes_nothing(fields: dict[str, Any]) -> None:
    found = interaction(blob(SHOWN, lang="de", **fields))

    assert found.facts == interaction(blob(SHOWN, lang="de")).facts


def test_of_a_field_that_is_there_twice_the_last_counts() -> None:
    raw = b'{"timestamp":1,"event_stream":[["a",1]],"timestamp":1372681800000}'

    assert interaction(raw).timestamp_ms == 1_372_681_800_000


def test_blobs_are_kept_as_they_came() -> None:
    raw = b' {"event_stream" :[["screen.rp_info" , 1]],"timestamp": 1372681800000.0 } '

    assert interaction(raw).raw == raw


FINITE = st.floats(allow_nan=False, allow_infinity=False)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), FINITE, st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
NAMES = st.sampled_from(
    ["timestamp", "event_stream", "user_agent", "screen_size", "number_emails", "lang"]
)


@given(st.dictionaries(NAMES, JSON))
def test_any_object_is_used_ignored_or_refused(content: dict[str, Any]) -> None:
    assert isinstance(verdict(content), Interaction | Ignored | Rejected)


@given(st.binary(max_size=60))
def test_any_bytes_are_used_ignored_or_refused(raw: bytes) -> None:
    assert isinstance(verdict(raw), Interaction | Ignored | Rejected)


@given(
    st.dictionaries(st.sampled_from(["user_agent", "screen_size", "number_emails", "lang"]), JSON)
)
def test_a_spoilt_field_leaves_the_other_segments_as_they_are(fields: dict[str, Any]) -> None:
    good = {"rp_api": "get", "email_type": "primary"}
    found = segments(blob(SHOWN, **fields, **good))

    assert (found["API"], found["EmailType"]) == ("get", "IdP")
    assert found.keys() == {s.name for s in persona().segmentations}


HOSTILE: dict[str, Callable[[int], dict[str, Any]]] = {
    "many events": lambda n: {
        "event_stream": [[SHOWN if (n + i) % 7 else "assertion_generated", i] for i in range(9_000)]
    },
    "a long event": lambda n: {"event_stream": [[f"{n}{'x' * 100_000}", 1]]},
    "a long value": lambda n: {**blob(SHOWN), "lang": f"{n}{'x' * 100_000}"},
    "a long number": lambda n: {**blob(SHOWN), "number_sites_logged_in": f"{n}{'x' * 100_000}"},
}


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE.keys())
def test_of_what_is_large_nothing_is_kept(hostile: Callable[[int], dict[str, Any]]) -> None:
    classifier = reader()
    rows = [
        Row(str(n), json.dumps({"timestamp": ms(AT), **hostile(n)}).encode()) for n in range(10)
    ]
    tracemalloc.start()
    try:
        for row in rows:
            assert isinstance(classifier.read(row, NEWEST_MS), Interaction)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 500_000


def test_reading_one_row_leaves_no_trace_in_the_next() -> None:
    reader = Classifier(persona())
    first = Row("1", json.dumps(blob(SHOWN, lang="de", number_sites_signed_in=3)).encode())
    second = Row("2", json.dumps(blob("assertion_generated")).encode())
    before = reader.read(second, NEWEST_MS)

    reader.read(first, NEWEST_MS)

    assert reader.read(second, NEWEST_MS) == before


@pytest.mark.parametrize("lang", [b'"\\ud800"', b'"\xff"'], ids=["half a character", "no utf-8"])
@pytest.mark.parametrize("other", [b"", b',"user_agent":3'], ids=["as expected", "another type"])
def test_a_field_that_is_no_text_counts_as_missing(lang: bytes, other: bytes) -> None:
    raw = b'{"timestamp":1372681800000,"event_stream":[["a",1]],"lang":' + lang + other + b"}"
    layout, facts = reader().layout, interaction(raw).facts
    assert ("Locale", "Other") in [layout.segments[n] for n in facts.segment_indexes]


@pytest.mark.parametrize("unused", [b"1e999", b"9" * 5_000, b'"\xff"', b'"\\ud800"'])
@pytest.mark.parametrize("other", [b"", b',"user_agent":3'], ids=["as expected", "another type"])
def test_what_nothing_uses_says_nothing(unused: bytes, other: bytes) -> None:
    interaction(
        b'{"timestamp":1372681800000,"event_stream":[["a",1]],"unused":' + unused + other + b"}"
    )
