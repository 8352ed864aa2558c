"""Types of single values that every file may have."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, Field, PlainValidator, ValidationInfo

from exporter.documents.errors import shown
from exporter.documents.parse import Plain

WHOLE = re.compile(r"-?(0|[1-9]\d{0,17})")
_LONGEST_TEXT = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What a type is called in the reference documentation."""

    name: str


def expected(what: str, value: object) -> ValueError:
    """Return the error of a value that is something else."""
    return ValueError(f"expected {what}, found {shown(value)}")


def text(value: object) -> str:
    """Read a text of one line."""
    if not isinstance(value, str):
        raise expected("a text", value)
    if not value.strip():
        raise ValueError("expected a text, found an empty one")
    if value != value.strip():
        raise expected("a text without space around it", value)
    if not value.isprintable():
        raise ValueError("expected a text on one line, found a character that does not print")
    if len(value) > _LONGEST_TEXT:
        raise ValueError(f"expected at most {_LONGEST_TEXT} characters, found {len(value)}")
    return str(value)


def _whole(value: object) -> int:
    if not (isinstance(value, str) and WHOLE.fullmatch(value)):
        raise expected("a whole number", value)
    return int(value)


def truth(value: object) -> bool:
    """Read `true` or `false`, without quotes."""
    if not (isinstance(value, Plain) and value in {"true", "false"}):
        raise expected("true or false", value)
    return value == "true"


def _path(value: object, info: ValidationInfo) -> Path:
    return (info.context or Path()) / text(value)


Text: TypeAlias = Annotated[str, BeforeValidator(text), Form(name="text")]
Whole: TypeAlias = Annotated[int, BeforeValidator(_whole), Field(ge=1), Form(name="whole number")]
TruthValue: TypeAlias = Annotated[bool, PlainValidator(truth), Form(name="`true` or `false`")]
FilePath: TypeAlias = Annotated[Path, PlainValidator(_path), Form(name="file")]
"""A relative one starts where the file stands that names it."""
