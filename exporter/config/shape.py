"""Document -> `File`: what does not have the schema's form is reported, the rest goes on."""

from collections.abc import Mapping
from difflib import get_close_matches
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from exporter.config.document import Document
from exporter.config.errors import ErrorList, Path, kind, listed, shown
from exporter.config.schema import File


def shape(document: Mapping[str, Document], errors: ErrorList) -> File:
    """Read a document by the schema; what is faulty is reported and left out, key by key."""
    remaining = {
        key: dict(value) if isinstance(value, dict) else value for key, value in document.items()
    }
    while True:
        try:
            return File.model_validate(remaining)
        except ValidationError as invalid:
            found = invalid.errors(include_url=False)
        for error in found:
            path = _path(error)
            # A key may be missing because it was left out for what is in it.
            if not (error["type"] == "missing" and errors.touch(*path)):
                errors.add(path, _words(error, path))
        for place in [_place(remaining, _path(error)) for error in found]:
            _leave_out(remaining, place)


def _place(document: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    """Return what to leave out for a fault: a key of a section, or the section."""
    section = str(path[0])
    keys = document.get(section)
    key = str(path[1]) if len(path) > 1 else ""
    return (section, key) if isinstance(keys, dict) and key in keys else (section,)


def _leave_out(document: dict[str, Any], place: tuple[str, ...]) -> None:
    section, *key = place
    if key:
        document.get(section, {}).pop(key[0], None)
    else:
        document.pop(section, None)


def _path(error: ErrorDetails) -> Path:
    path = error["loc"]
    return path[:-1] if path[-1] == "[key]" else path


_LONGEST_KEY = 60
_SECTIONS = ("data_server", "store", "import", "collect", "web")
_WORDS: Mapping[str, str] = {
    "missing": "expected a value, found no such key",
    "model_type": "expected keys with values, found {kind}",
    "dict_type": "expected keys with values, found {kind}",
    "list_type": "expected a list such as [a, b], found {found}",
    "too_short": "expected at least one, found none",
    "greater_than_equal": "expected at least {ge}, found {found}",
    "value_error": "{error}",
}


def _words(error: ErrorDetails, path: Path) -> str:
    """Return in the words of this project what pydantic found."""
    if error["type"] == "extra_forbidden":
        return _unknown(path)
    return _WORDS[error["type"]].format(
        found=shown(error["input"]), kind=kind(error["input"]), **error.get("ctx", {})
    )


def _unknown(path: Path) -> str:
    *above, key = path
    known = _keys(_section_at(tuple(above)))
    elsewhere = [
        f"{section}.{key}" for section in _SECTIONS if key in _keys(_section_at((section,)))
    ]
    close = get_close_matches(str(key)[:_LONGEST_KEY], known, n=1) or elsewhere
    if close:
        return f"unknown key, did you mean {close[0]}?"
    return f"unknown key, expected {listed(known)}"


def _keys(section: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in section.model_fields.items()]


def _section_at(path: Path) -> type[BaseModel]:
    """Find the section of the schema that lies at a path of the document."""
    annotation: Any = File
    for part in path:
        annotation = _without_none(annotation)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            annotation = next(
                field.annotation
                for name, field in annotation.model_fields.items()
                if part == (field.alias or name)
            )
        else:
            annotation = get_args(annotation)[-1]  # a list's items, a mapping's values
    found: type[BaseModel] = _without_none(annotation)
    return found


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in {Union, UnionType}:
        return next(part for part in get_args(annotation) if part is not type(None))
    return annotation
