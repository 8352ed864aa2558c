"""The tables of all configuration keys, from the schema."""

from collections.abc import Iterator
from datetime import timedelta
from inspect import getdoc
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from exporter.config.scalars import in_words
from exporter.config.schema import (
    CollectSection,
    ContinuationSection,
    DataServerSection,
    DurationSection,
    EventsSection,
    File,
    FlowSection,
    ImportSection,
    MilestoneSection,
    OutcomesSection,
    PackageSection,
    RangeSection,
    RuleSection,
    SegmentationSection,
    SitesSection,
    StepNameSection,
    StepSection,
    StoreSection,
    TierSection,
    WebSection,
)
from exporter.documents import Section
from exporter.documents.scalars import Form
from exporter.domain.windows import Window

# In the order of the page.
_SECTIONS: tuple[tuple[str, type[Section]], ...] = (
    ("The top", File),
    ("`data_server`", DataServerSection),
    ("`store`", StoreSection),
    ("`import`", ImportSection),
    ("A tier", TierSection),
    ("`collect`", CollectSection),
    ("`milestones`", MilestoneSection),
    ("`web`", WebSection),
    ("`sites`", SitesSection),
    ("`segmentations`", SegmentationSection),
    ("A range", RangeSection),
    ("`flows`", FlowSection),
    ("A step", StepSection),
    ("A continuation", ContinuationSection),
    ("A rule", RuleSection),
    ("`outcomes`", OutcomesSection),
    ("A named step", StepNameSection),
    ("`durations`", DurationSection),
    ("Events", EventsSection),
)
_HEADINGS = {section: heading for heading, section in _SECTIONS}


def keys() -> str:
    """Write a table for each section."""
    return "\n".join(line for heading, section in _SECTIONS for line in _section(heading, section))


def _section(heading: str, section: type[Section]) -> Iterator[str]:
    yield f"### {heading}"
    yield ""
    yield from (getdoc(section) or "").splitlines()
    yield ""
    inherited = RuleSection.model_fields if section is not RuleSection else {}
    if issubclass(section, RuleSection) and inherited:
        yield f"The keys of {_link(RuleSection)}, and:"
        yield ""
    yield "| key | type | default | meaning | example |"
    yield "| --- | --- | --- | --- | --- |"
    types = get_type_hints(section, include_extras=True)
    for name, field in section.model_fields.items():
        if not (issubclass(section, RuleSection) and name in inherited):
            package = section is File and name in PackageSection.model_fields
            default = "Persona's" if package else _default(field)
            yield _row(field.alias or name, _type(types[name]), default, field)
    yield ""


def _row(key: str, kind: str, default: str, field: FieldInfo) -> str:
    example = "" if not field.examples else f"`{field.examples[0]}`"
    cells = (f"`{key}`", kind, default, field.description or "", example)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "required"
    if field.default is None or isinstance(field.default, Section):
        return ""
    return f"`{_value(field.default)}`"


def _value(value: object) -> str:
    if isinstance(value, timedelta):
        return in_words(value)
    if isinstance(value, Window):
        return value.name
    if isinstance(value, Section):
        kept = {name: given for name, given in dict(value).items() if given is not None}
        return f"{{{', '.join(f'{name}: {_value(given)}' for name, given in kept.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return str(value)


def _type(kind: Any) -> str:
    """Name a field's type, and link to the sections in it."""
    parts = get_args(kind)
    if get_origin(kind) is Annotated:
        form = next((part for part in parts if isinstance(part, Form)), None)
        return _type(parts[0]) if form is None else form.name
    if get_origin(kind) in {Union, UnionType}:
        return _type(next(part for part in parts if part is not type(None)))
    if get_origin(kind) is list:
        return f"list: {_type(parts[0])}"
    if get_origin(kind) is dict:
        return f"mapping: {_type(parts[0])} to {_type(parts[1])}"
    return _link(kind)


def _link(section: type[Section]) -> str:
    heading = _HEADINGS[section]
    anchor = heading.strip("`").lower().replace(" ", "-")
    name = heading if heading.startswith("`") else heading[0].lower() + heading[1:]
    return f"[{name}](#{anchor})"
