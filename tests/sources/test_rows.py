"""The splitter: however a body is cut into pieces, the same rows come out."""

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.domain.interaction import Row
from exporter.sources.rows import BrokenBody, Splitter

ODDITY = "0123456789abcdef0123456789abcdef01234567"
TRICKY = ['},{"id":', '"', "\\", "]", "[{", '\\\\"},', "}\n, {", "\u2028é"]
TEXTS = st.one_of(st.text(max_size=6), st.sampled_from(TRICKY))
INNER: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.integers(-5, 5), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)
BLOBS = st.dictionaries(TEXTS.filter(lambda name: name not in {"id", "_id", "value"}), INNER)
COUCHDB = st.builds(
    lambda number, blob: {"id": f"{number:032x}", "key": number, "value": blob},
    st.integers(0, 1 << 128),
    BLOBS,
)
MEMORY = BLOBS.map(lambda blob: {**blob, ODDITY: ODDITY})
POISON = st.sampled_from(
    [
        b"NaN",
        b'{"id":"poison","key":1,"value":{"timestamp":NaN}}',
        b'{"id":"poison","key":1,"value":{"a":' + b"[" * 3_000 + b"]" * 3_000 + b"}}",
        b'{"id":"poison","key":1,"value":{"a":"\\ud800"}}',
        b'{"id":"poison","key":1,"value":{"a":"\xff},{"}}',
    ]
)
WRITTEN: st.SearchStrategy[bytes] = st.one_of(
    st.tuples(st.one_of(COUCHDB, MEMORY, INNER), st.sampled_from([None, 1]), st.booleans()).map(
        lambda drawn: json.dumps(drawn[0], indent=drawn[1], ensure_ascii=drawn[2]).encode(
            errors="replace"
        )
    ),
    POISON,
)
ARRAYS = st.tuples(st.lists(WRITTEN, max_size=12), st.sampled_from([b",", b" , ", b",\r\n"])).map(
    lambda drawn: b"[" + drawn[1].join(drawn[0]) + b"]"
)


def split(
    pieces: Sequence[bytes], *, portion_bytes: int = 1 << 22, largest_row_bytes: int = 1 << 26
) -> list[Row]:
    """The rows of a body that comes in pieces, to its right end."""
    splitter = Splitter(portion_bytes=portion_bytes, largest_row_bytes=largest_row_bytes)
    rows: list[Row] = []
    for piece in pieces:
        rows += splitter.feed(piece)
    rows += splitter.end()
    splitter.close()
    return rows


def cut(body: bytes, places: Sequence[int]) -> list[bytes]:
    bounds = [0, *sorted(place % (len(body) + 1) for place in places), len(body)]
    return [body[a:b] for a, b in pairwise(bounds)]


@given(ARRAYS, st.lists(st.integers(0, 1 << 20), max_size=20), st.integers(1, 200))
@example(b'[{"id":"1","key":1,"value":{"a":"},{"}},{"id":"2","key":1,"value":{}}]', [33, 35], 1)
@example(b'[{"id":"1","key":1,"value":{}},NaN]', [10], 8)
def test_any_cut_of_a_body_gives_the_same_rows(
    body: bytes, places: list[int], portion_bytes: int
) -> None:
    assert split(cut(body, places), portion_bytes=portion_bytes) == split([body])


@given(st.lists(st.one_of(COUCHDB, MEMORY), max_size=8))
def test_every_row_is_given_once(blobs: list[dict[str, Any]]) -> None:
    rows = split([json.dumps(blobs).encode()])

    assert [json.loads(row.raw) for row in rows] == [blob.get("value", blob) for blob in blobs]
    assert [row.id for row in rows] == [blob.get("id", ODDITY) for blob in blobs]


@given(ARRAYS.filter(lambda body: len(body) > 2), st.integers(1, 1 << 20), st.integers(1, 200))
def test_a_body_that_ends_early_is_broken(body: bytes, place: int, portion_bytes: int) -> None:
    with pytest.raises(BrokenBody):
        split([body[: place % (len(body) - 1)]], portion_bytes=portion_bytes)


@given(st.binary(max_size=300), st.integers(1, 50))
def test_any_body_is_rows_or_broken(body: bytes, portion_bytes: int) -> None:
    try:
        rows = split([body], portion_bytes=portion_bytes)
    except BrokenBody:
        return
    assert body.lstrip()[:1] == b"["
    assert all(row.id for row in rows)


@pytest.mark.parametrize(
    "bad",
    [b"NaN", b"1e400x", b"[" * 10_000 + b"]" * 10_000, b'"\\ud800"', b"\xff", b"{]"],
    ids=["nan", "word", "lists", "surrogate", "bytes", "mismatched"],
)
def test_a_bad_row_spoils_itself_alone(bad: bytes) -> None:
    good = [b'{"id":"%d","key":1,"value":{"n":%d}}' % (n, n) for n in range(3)]
    wrong = b'{"id":"bad","key":1,"value":{"n":%b}}' % bad

    rows = split([b"[" + b",".join([good[0], wrong, *good[1:]]) + b"]"])

    assert [row for row in rows if row.id != "bad"] == [
        Row(str(n), b'{"n":%d}' % n) for n in range(3)
    ]
    assert [row.raw for row in rows if row.id == "bad"] == [b'{"n":%b}' % bad]


def test_an_unreadable_blob_of_the_memory_backend_keeps_its_id() -> None:
    (row,) = split([f'[{{"timestamp":NaN,"{ODDITY}":"{ODDITY}"}}]'.encode()])

    assert row.id == ODDITY


def test_ids_with_a_nul_are_told_apart_by_a_digest() -> None:
    lines = [b'{"id":"a\\u0000%d","key":1,"value":{}}' % n for n in (1, 2)]
    blobs = [b'{"_id":"a\\u0000%d"}' % n for n in (1, 2)]

    first, second, *others = split([b"[" + b",".join(lines + blobs) + b"]"])

    assert "\0" not in first.id + second.id
    assert first.id != second.id
    assert [row.id for row in others] == [first.id, second.id]


def test_a_row_without_an_id_is_known_by_its_content() -> None:
    first, same, other = split([b'[{"a":1,"b":2},{"b":2, "a":1},{"a":1,"b":3}]'])

    assert first.id == same.id != other.id


def test_no_more_than_a_portion_and_a_row_is_held() -> None:
    splitter = Splitter(portion_bytes=1_000)
    splitter.feed(b"[")
    row = b'{"id":"1","key":1,"value":{"note":"' + b"x" * 60 + b'"}},'
    given_at_once = [len(splitter.feed(row)) for _ in range(200)]

    assert sum(given_at_once) > 180
    assert max(given_at_once) <= 11


def test_a_row_may_be_larger_than_a_portion() -> None:
    body = b'[{"id":"1","key":1,"value":{"note":"' + b"x" * 100_000 + b'"}}]'

    (row,) = split([body[n : n + 100] for n in range(0, len(body), 100)], portion_bytes=500)

    assert row.id == "1"


@pytest.mark.parametrize(
    ("beginning", "more"),
    [(b'[{"note":"', b"x" * 1000), (b"[", b"[" * 1000), (b"[" + b"{" * 9, b'"a":[],' * 100)],
)
def test_a_row_without_end_is_refused_before_it_fills_the_memory(
    beginning: bytes, more: bytes
) -> None:
    pieces = [beginning, *[more] * 1_000]
    with pytest.raises(BrokenBody, match="a row is larger"):
        split(pieces, portion_bytes=1_000, largest_row_bytes=100_000)


@pytest.mark.parametrize("more", [b" " * 10_000, b"\n"])
def test_blanks_before_and_after_the_array_do_not_fill_the_memory(more: bytes) -> None:
    splitter = Splitter(portion_bytes=10)
    for piece in [more] * 10 + [b'[{"id":"1",', b'"key":1,"value":{}}]'] + [more] * 10:
        splitter.feed(piece)
    splitter.end()
    splitter.close()


def test_what_follows_the_array_is_refused() -> None:
    splitter = Splitter(portion_bytes=4)
    splitter.feed(b"[ NaN ]")
    with pytest.raises(BrokenBody, match="goes on"):
        splitter.feed(b"<html>")
