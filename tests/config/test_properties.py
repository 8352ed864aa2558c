"""What holds for every configuration."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.commands.check_text import describe
from exporter.config import Configuration, ConfigurationError, load
from exporter.config.scalars import duration, in_words
from exporter.documents import Section
from exporter.documents.errors import masked
from tests.config.texts import SECRET, SOURCE

GOOD = Path(__file__).parent / "good"
WHOLE = yaml.safe_load((GOOD / "webauthn.yaml").read_text()) | yaml.safe_load(
    (GOOD / "everything.yaml").read_text()
)
KEYS = sorted({key for section in Section.__subclasses__() for key in section.model_fields})
TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["1d", "7d", "1h", "true", "${A}", "${B:-1d}", "progress", "enrolment", "new"]),
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from(KEYS), TEXTS), inner, max_size=4),
    ),
    max_leaves=12,
)


def loaded(text: str) -> Configuration | tuple[str, ...]:
    """What a text comes to; neither is ever empty, and nothing else is raised."""
    try:
        configuration = load(text, {"A": "1d"})
    except ConfigurationError as refused:
        return refused.errors
    assert describe(configuration)
    return configuration


@given(st.text())
@example("data_server: &a {<<: *a}")
@example("? ")
@example("%YAML 3.0\n---\n")
@example("\x85a: [\r\u2028b: ${")
def test_any_text_is_a_configuration_or_refused(text: str) -> None:
    assert loaded(text)
    assert loaded(SOURCE + text)


@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=6))
def test_any_mapping_is_a_configuration_or_refused(mapping: dict[str, Any]) -> None:
    assert loaded(json.dumps(mapping))


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of a document."""
    inner = (
        document.items()
        if isinstance(document, dict)
        else enumerate(document)
        if isinstance(document, list)
        else ()
    )
    return [path] + [place for key, value in inner for place in places(value, (*path, key))]


def changed(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy of the document with another value at the path."""
    if not path:
        return value
    copy = document.copy()
    copy[path[0]] = changed(document[path[0]], path[1:], value)
    return copy


@given(st.sampled_from(places(WHOLE)), VALUES)
def test_a_good_configuration_with_one_wrong_value_is_good_or_refused(
    place: tuple[Any, ...], value: Any
) -> None:
    assert loaded(json.dumps(changed(WHOLE, place, value), default=str))


@given(st.timedeltas(min_value=timedelta(milliseconds=1), max_value=timedelta(days=36_500)))
def test_durations_read_back_as_written(length: timedelta) -> None:
    whole = timedelta(milliseconds=length // timedelta(milliseconds=1))
    assert duration(in_words(whole)) == whole


@given(*2 * [st.text(st.characters(codec="utf-8", exclude_characters="$"), max_size=20)])
def test_the_password_of_an_address_is_in_no_message(before: str, after: str) -> None:
    url = f"couchdb://kpi:{before}{SECRET}{after}@couchdb:5984/kpi"
    assert masked(url) == "couchdb://***@couchdb:5984/kpi"
    wrong = {
        "data_server": {"url": url, "headers": url},
        "store": url,
        "import": {"every": url},
        "windows": [url],
        "milestones": [{"name": [url], "date": url}],
        "web": {"listen": url},
    }
    with pytest.raises(ConfigurationError) as refused:
        load(json.dumps(wrong), {})
    assert SECRET not in str(refused.value)
