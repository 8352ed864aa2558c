"""A request and its answer, free of sockets."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from fake_server.faults import Fault

HTML = (("Content-Type", "text/html; charset=utf-8"),)
JSON = (("Content-Type", "application/json"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a client asks for."""

    method: str
    path: str
    parameters: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is sent back. Nothing says what the body is, unless a header does."""

    status: int = 200
    body: bytes = b""
    rows: int = 0
    """How many interactions the body holds."""
    headers: tuple[tuple[str, str], ...] = ()
    faults: Mapping[str, Fault] = field(default_factory=dict)
    """What goes wrong on its way."""
    lines: Iterator[bytes] | None = None
    """An endless body in place of the other; empty ones are pauses."""


class HangUp(Exception):
    """There is no answer: the connection just ends."""
