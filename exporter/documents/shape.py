"""Document -> its form: what does not fit is reported, the rest goes on."""

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path as FilePath
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from exporter.documents.errors import ErrorList, Path, kind, listed, shown
from exporter.documents.parse import Document


class Section(BaseModel):
    """A mapping of a file; keys that it does not have are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


_Form = TypeVar("_Form", bound=Section)


def shape(
    form: type[_Form],
    document: Mapping[str, Document],
    errors: ErrorList,
    directory: FilePath | None = None,
) -> _Form:
    """Read a document by its form; what is faulty is reported and left out, key by key.

    Every key at the top of a form has a default. Relative paths start at the directory.
    """
    remaining = {
        key: dict(value) if isinstance(value, dict) else value for key, value in document.items()
    }
    while True:
        try:
            return form.model_validate(remaining, context=directory)
        except ValidationError as invalid:
            found = invalid.errors(include_url=False)
        for error in found:
            path = _path(error)
            # A key may be missing because it was left out for what is in it.
            if not (error["type"] == "missing" and errors.touch(*path)):
                errors.add(path, _words(form, error, path))
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
_WORDS: Mapping[str, str] = {
    "missing": "expected a value, found no such key",
    **dict.fromkeys(("model_type", "dict_type"), "expected keys with values, found {kind}"),
    **dict.fromkeys(
        ("list_type", "tuple_type", "frozen_set_type"),
        "expected a list such as [a, b], found {found}",
    ),
    **dict.fromkeys(("enum", "literal_error"), "expected {expected}, found {found}"),
    "string_type": "expected a text, found {kind}",
    "string_too_short": "expected a text, found an empty one",
    "too_short": "expected at least one, found none",
    "greater_than_equal": "expected at least {ge}, found {found}",
    "value_error": "{error}",
}


def _words(form: type[Section], error: ErrorDetails, path: Path) -> str:
    """Return in the words of this project what pydantic found."""
    if error["type"] == "extra_forbidden":
        return _unknown(form, path)
    return _WORDS[error["type"]].format(
        found=shown(error["input"]), kind=kind(error["input"]), **error.get("ctx", {})
    )


def _unknown(form: type[Section], path: Path) -> str:
    *above, key = path
    known = list(_fields(_at(form, tuple(above))))
    elsewhere = [f"{name}.{key}" for name in _fields(form) if key in _fields(_at(form, (name,)))]
    close = get_close_matches(str(key)[:_LONGEST_KEY], known, n=1) or elsewhere
    if close:
        return f"unknown key, did you mean {close[0]}?"
    return f"unknown key, expected {listed(known)}"


def _fields(section: Any) -> Mapping[str, Any]:
    """Return the keys of a section and what they hold; what is no section has none."""
    fields = getattr(section, "model_fields", {})
    return {field.alias or name: field.annotation for name, field in fields.items()}


def _at(form: Any, path: Path) -> Any:
    """Find what a form has at a path of the document."""
    for part in path:
        # Of a list the items, of a mapping the values.
        form = _without_none(_fields(form).get(str(part)) or get_args(form)[-1])
    return form


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in {Union, UnionType}:
        return next(part for part in get_args(annotation) if part is not type(None))
    return annotation
