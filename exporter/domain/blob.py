"""Blobs: the JSON of one interaction, of which only the fields that count are decoded.

The fields become a struct type, so that msgspec skips the rest; a blob whose fields have
other types than expected takes a slower way, on which those fields count as missing.
"""

import re
from collections.abc import Callable, Iterable
from math import isfinite
from typing import Any, TypeAlias

import msgspec

from exporter.domain.interaction import Reason

_NUMBER = re.compile(r"\s*[+-]?\d{1,30}(\.\d{1,30})?([eE][+-]?\d{1,3})?\s*")
_WHOLE = re.compile(r"\s*[+-]?\d{1,30}\s*")
_SHOWN = 60  # characters of a wrong value that a message quotes

Getter: TypeAlias = Callable[[Any], Any]
_Tree: TypeAlias = dict[str, "_Tree"]


class Unreadable(Exception):
    """The blob cannot be read; the row is to be rejected with this reason."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class Event(msgspec.Struct, array_like=True):
    """An event's name; what follows it (times, repeat counts) is skipped."""

    name: str


class Decoder:
    """Decodes blobs into the fields at `paths` (`user_agent.os`) and the event stream."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._tree: _Tree = {}
        for path in paths:
            branch = self._tree
            for name in path.split("."):
                branch = branch.setdefault(name, {})
        self._type = _struct(self._tree, events=True)
        self._decode = msgspec.json.Decoder(self._type).decode

    def decode(self, raw: bytes) -> Any:
        """Decode a blob; `.event_stream` is a list of `Event`, None or empty.

        Raises `Unreadable` for what is no JSON object or has an event stream of another kind.
        """
        try:
            return self._decode(raw)
        except msgspec.ValidationError:
            return self._decode_tolerantly(raw)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as problem:
            raise Unreadable(Reason.NOT_JSON, f"not readable as JSON: {problem}") from problem

    def _decode_tolerantly(self, raw: bytes) -> Any:
        try:
            blob = msgspec.json.decode(raw)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as problem:
            raise Unreadable(Reason.NOT_JSON, f"not readable as JSON: {problem}") from problem
        if not isinstance(blob, dict):
            raise Unreadable(
                Reason.NOT_AN_OBJECT, f"a blob should be a JSON object, not {shown(blob)}"
            )
        stream = blob.get("event_stream")
        if stream is not None and not isinstance(stream, list):
            raise Unreadable(
                Reason.EVENT_STREAM, f"event_stream should be a list, not {shown(stream)}"
            )
        for n, event in enumerate(stream or ()):
            if not (isinstance(event, list) and event and isinstance(event[0], str)):
                raise Unreadable(
                    Reason.EVENT_STREAM,
                    f"event_stream[{n}] should be a list that starts with a string,"
                    f" not {shown(event)}",
                )
        fields = _filled(self._type, self._tree, blob)
        fields.event_stream = [Event(event[0]) for event in stream or ()]
        return fields

    def getter(self, path: str) -> Getter:
        """Give the way to a field of a decoded blob; None where it is missing."""
        names = path.split(".")
        branch = self._tree
        attributes = []
        for name in names:
            attributes.append(f"f{list(branch).index(name)}")
            branch = branch[name]
        first, *rest = attributes

        def get(blob: Any) -> Any:
            value = getattr(blob, first)
            for attribute in rest:
                if value is None:
                    return None
                value = getattr(value, attribute)
            return value

        return get


def _struct(tree: _Tree, *, events: bool = False) -> type[msgspec.Struct]:
    fields: list[tuple[str, Any, Any]] = []
    names: dict[str, str] = {}
    for n, (name, branch) in enumerate(tree.items()):
        attribute = f"f{n}"
        fields.append((attribute, _struct(branch) | None if branch else Any, None))
        names[attribute] = name
    if events:
        fields.append(("event_stream", list[Event] | None, None))
    return msgspec.defstruct("Fields", fields, rename=names, gc=False)


def _filled(struct: Any, tree: _Tree, blob: dict[str, Any]) -> Any:
    values: dict[str, Any] = {}
    for n, (name, branch) in enumerate(tree.items()):
        value = blob.get(name)
        if branch:
            inner = _struct(branch)
            value = _filled(inner, branch, value) if isinstance(value, dict) else None
        values[f"f{n}"] = value
    return struct(**values)


def number(value: object) -> float | int | None:
    """Read a number, or a string that holds one, as some clients send it; else None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        if _WHOLE.fullmatch(value):
            return int(value)
        value = float(value) if _NUMBER.fullmatch(value) else None
    if isinstance(value, int):
        return value
    return value if isinstance(value, float) and isfinite(value) else None


def shown(value: object) -> str:
    """Quote a value from outside in a message, not at length."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
