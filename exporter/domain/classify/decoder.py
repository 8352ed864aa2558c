"""Blobs: the JSON of one interaction, of which only the fields that count are decoded.

The fields become a struct type, so that msgspec skips the rest; a blob whose fields have
other types than expected takes a slower way, on which those fields count as missing.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from math import isfinite, nan
from operator import attrgetter
from typing import Any, TypeAlias

import msgspec

from exporter.domain.histogram import LONGEST_MS
from exporter.domain.interaction import Reason

_NUMBER = re.compile(r"\s*[+-]?\d{1,30}(\.\d{1,30})?([eE][+-]?\d{1,3})?\s*")
_WHOLE = re.compile(r"\s*[+-]?\d{1,30}\s*")
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)
MAX_DEPTH = 500  # of nested lists and objects
_SHALLOW = 50  # deeper than any field that a configuration can name, or an event
_MOST_DIGITS = 300  # of a whole number; with more it is infinite
_SHOWN = 60  # characters of a wrong value that a message quotes

Getter: TypeAlias = Callable[[Any], Any]
_Value: TypeAlias = str | int | float | None


class Unreadable(Exception):
    """The blob cannot be read; the row is to be rejected with this reason."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class Event(msgspec.Struct, array_like=True, gc=False):
    """An event's name; what follows it is skipped."""

    name: str


class TimedEvent(Event):
    """An event's name and its offset as it was written."""

    offset: Any = None


class _Row(msgspec.Struct, gc=False):
    """A row as the CouchDB of a KPIggybank serves it."""

    value: dict[str, Any]
    id: Any = None


# A number beyond a float's range makes no blob unreadable: it becomes infinite.
_decode_json = msgspec.json.Decoder(float_hook=float).decode


_decode_row = msgspec.json.Decoder(_Row, float_hook=float).decode


def refuse_row_with_odd_id(raw: bytes) -> None:
    """Raise `Unreadable` for a row whose blob is out of reach, since its id is no string."""
    if b'"value"' not in raw:
        return
    with suppress(msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        row = _decode_row(raw)
        if not isinstance(row.id, str) and "event_stream" in row.value:
            raise Unreadable(
                Reason.ID_NOT_A_STRING, f"the row's id should be a string, not {shown(row.id)}"
            )


def usable_offset(offset: object) -> float:
    """Return an event's offset in milliseconds; NaN where it is none that is usable."""
    ms = number(offset)
    return ms if ms is not None and 0 <= ms <= LONGEST_MS else nan


class Decoder:
    """Decodes the event stream and some fields of blobs, named by paths (`user_agent.os`).

    `values` are fields that hold a string or a number, anything else counts as missing there;
    `fields` may hold what they like. A field among both may hold a truth value, too: as a value
    that is "true" or "false". Events are `timed` or not.
    """

    def __init__(self, *, values: Iterable[str], fields: Iterable[str], timed: bool) -> None:
        self._event: type[Event] = TimedEvent if timed else Event
        self._event_fields = len(self._event.__struct_fields__)
        self._root = _Branch()
        self._fields = frozenset(fields)
        for paths, kind in ((self._fields, Any), (values, _Value)):
            for path in paths:
                self._root.grow(path.split("."), kind)
        stream: Any = list[TimedEvent] if timed else list[Event]
        self._type = self._root.struct(event_stream=(stream | None, None))
        self._decode = msgspec.json.Decoder(self._type, float_hook=float).decode

    def decode(self, raw: bytes) -> Any:
        """Decode a blob; `.event_stream` is a list of events, None or empty.

        Raises `Unreadable` for what is no JSON object or has an event stream of another kind.
        """
        try:
            return self._decode(raw)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return self._decode_tolerantly(raw)

    def _decode_tolerantly(self, raw: bytes) -> Any:
        try:
            blob = _decode_anything(raw)
        except ValueError as error:
            raise Unreadable(Reason.NOT_JSON, f"not readable as JSON: {error}") from error
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
            if not _is_value(event[0]) and not _is_utf8(raw):
                raise Unreadable(Reason.NOT_JSON, f"event_stream[{n}] is no UTF-8")
        events = [self._event(*event[: self._event_fields]) for event in stream or ()]
        return self._root.fill(self._type, blob, event_stream=events)

    def getter(self, path: str) -> Getter:
        """Return the way to a field of a decoded blob; None where it is missing."""
        return attrgetter(self._root.attribute(path.split(".")))

    def value_getter(self, path: str) -> Getter:
        """Return the way to a field that has a string or a number; None where it has neither."""
        get = self.getter(path)
        if path not in self._fields:
            return get

        def value(blob: Any) -> Any:
            found = get(blob)
            if isinstance(found, bool):
                return "true" if found else "false"
            return found if _is_value(found) else None

        return value


class _Branch:
    """Some fields of an object, as a struct type that leaves the others out."""

    def __init__(self) -> None:
        self._kinds: dict[str, Any] = {}  # a type, or a branch

    def grow(self, names: Sequence[str], kind: Any) -> None:
        name, *rest = names
        if rest:
            inner = self._kinds.setdefault(name, _Branch())
            if isinstance(inner, _Branch):
                inner.grow(rest, kind)
        else:
            self._kinds.setdefault(name, kind)

    def attribute(self, names: Sequence[str]) -> str:
        name, *rest = names
        own = f"f{list(self._kinds).index(name)}"
        return f"{own}.{self._kinds[name].attribute(rest)}" if rest else own

    def struct(self, **more: tuple[Any, Any]) -> type[msgspec.Struct]:
        fields: list[tuple[str, Any, Any]] = [(name, *of) for name, of in more.items()]
        keys = {name: name for name in more}
        self._types: dict[str, Any] = {}
        for n, (name, kind) in enumerate(self._kinds.items()):
            keys[f"f{n}"] = name
            if isinstance(kind, _Branch):
                self._types[name] = inner = kind.struct()
                fields.append((f"f{n}", inner, inner()))
            else:
                fields.append((f"f{n}", kind, None))
        return msgspec.defstruct("Fields", fields, rename=keys, frozen=True, gc=False)

    def fill(self, struct: Any, blob: Mapping[str, Any], **more: object) -> Any:
        """Return the struct of a blob some of whose fields are of the wrong type."""
        values: dict[str, Any] = dict(more)
        for n, (name, kind) in enumerate(self._kinds.items()):
            value = blob.get(name)
            if isinstance(kind, _Branch):
                inner = value if isinstance(value, dict) else {}
                values[f"f{n}"] = kind.fill(self._types[name], inner)
            elif kind is Any or _is_value(value):
                values[f"f{n}"] = value
        return struct(**values)


def _decode_anything(raw: bytes) -> Any:
    """Decode JSON with what msgspec refuses: long numbers, halves of characters, depth.

    Raises `ValueError`.
    """
    try:
        return _decode_json(raw)
    except RecursionError:
        return _decode_anything(_shallow(raw))
    except (msgspec.DecodeError, UnicodeDecodeError):
        if too_deep(raw):
            raw = _shallow(raw)
        text = raw.decode("utf-8", "surrogateescape")
        return json.loads(text, parse_int=_whole, parse_constant=_refuse_constant)


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _whole(text: str) -> int | float:
    return int(text) if len(text) <= _MOST_DIGITS else float(text)


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON")


def too_deep(raw: bytes) -> bool:
    """Return whether JSON is nested deeper than `MAX_DEPTH`: such a row is refused.

    How deep decoders go depends on how deep the caller is; what is stored must be readable by all.
    """
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:  # as nearly always
        return False
    return any(depth > MAX_DEPTH for _, _, depth in _brackets(raw))


def _brackets(raw: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield where each bracket begins and ends, and how deep the text is after it."""
    depth = 0
    for found in _STRING_OR_BRACKET.finditer(raw):
        bracket = found.group()
        if bracket in b"[{":
            depth += 1
        elif bracket in b"]}":
            depth -= 1
        else:
            continue
        yield found.start(), found.end(), depth


def _shallow(raw: bytes) -> bytes:
    """Return a value without what lies deeper than any field that counts; no recursion."""
    parts, kept, skipping = [], 0, False
    for start, end, depth in _brackets(raw):
        if depth > _SHALLOW and not skipping:
            parts += [raw[kept:start], b"null"]
            skipping = True
        elif depth <= _SHALLOW and skipping:
            kept, skipping = end, False
    return b"".join([*parts, b"" if skipping else raw[kept:]])


def _is_value(value: object) -> bool:
    if isinstance(value, str):
        return value.isascii() or not any("\ud800" <= one <= "\udfff" for one in value)
    return isinstance(value, int | float) and not isinstance(value, bool)


def number(value: object) -> float | int | None:
    """Read a number, or a string that holds one, as some clients send it; else None."""
    if type(value) is int:  # as nearly always
        return value
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        if _WHOLE.fullmatch(value):
            return int(value)
        value = float(value) if _NUMBER.fullmatch(value) else None
    return value if isinstance(value, int | float) and isfinite(value) else None


def shown(value: object) -> str:
    """Quote a value from outside in a message, not at length."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
