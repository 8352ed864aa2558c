"""The configuration's JSON Schema, for editors."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from exporter.config import json_schema

GOOD = Path(__file__).parent / "good"
# Texts that YAML takes for truth values, which the exporter does not: an editor marks them.
LOOKS = {"looks.yaml"}


def checked(document: object) -> list[str]:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return [
        error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(document)
    ]


@pytest.mark.parametrize("file", sorted(GOOD.glob("*.yaml")), ids=lambda file: file.name)
def test_it_takes_what_the_exporter_takes(file: Path) -> None:
    if file.name in LOOKS:
        pytest.skip("texts that YAML takes for something else")
    text = json.dumps(yaml.safe_load(file.read_text(encoding="utf-8")), default=str)
    assert checked(json.loads(text)) == []


@pytest.mark.parametrize(
    "document",
    [
        {"windos": ["1d"]},
        {"flows": {"extends": "nobody"}},
        {"flows": {"f": {"stepps": []}}},
        {"segmentations": {"OS": {"segments": "Linux"}}},
    ],
)
def test_it_refuses_what_is_misspelt(document: object) -> None:
    assert checked(document) != []


def test_definitions_may_extend_those_of_the_package() -> None:
    segmentations = {"extends": "persona", "OS": {"segments": ["BeOS"]}}
    assert checked({"flows": {"extends": "persona"}, "segmentations": segmentations}) == []
