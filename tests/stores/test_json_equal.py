"""Whether two JSON texts mean the same: encoding says nothing, and no text makes it fail."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.stores.json_equal import same_meaning

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-1_000, 1_000), st.text(max_size=4)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
ODD = b',"odd":1e999}'  # what no decoder takes, so that the texts are compared token by token


@given(VALUES, VALUES)
def test_token_by_token_is_the_same_as_decoded(one: Any, other: Any) -> None:
    texts = [json.dumps({"a": value})[:-1].encode() + ODD for value in (one, other)]
    again = json.dumps({"a": one}, indent=1, ensure_ascii=False)[:-1].encode("utf-8") + ODD
    assert same_meaning(texts[0], again)
    assert same_meaning(*texts) is (
        json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    )


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_no_bytes_make_it_fail(one: bytes, other: bytes) -> None:
    assert same_meaning(one, one)
    assert same_meaning(one, other) is same_meaning(other, one)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (b'{"a":1e999,"b":1.0}', b'{"b":1,"a":1E+999}', True),
        (b'{"a":1e999}', b'{"a":1e998}', False),
        (b"1" + b"0" * 5_000, b"1.0e5000", True),
        (b"-0.0e999", b"0e999", True),
        (b'{"a":"\xff"}', b'{ "a" : "\xff" }', True),
        (b'{"a":"\xff"}', b'{"a":"\xfe"}', False),
        (b'{"a":"\\ud800"}', b'{"a":"\\uD800"}', True),
        (b"[" * 9_000 + b"]" * 9_000, b"[ " * 9_000 + b"]" * 9_000, True),
        (b"[" * 9_000 + b"]" * 9_000, b"[" * 9_001 + b"]" * 9_001, False),
        (b'{"a":1e999,"a":2}', b'{"a":2}', True),
    ],
)
def test_what_no_decoder_takes_is_compared_all_the_same(
    one: bytes, other: bytes, *, same: bool
) -> None:
    assert same_meaning(one, other) is same
