"""What can be wrong with an answer, singly or together.

A fault is written ``NAME``, ``NAME=AMOUNT``, ``NAME*TIMES`` or ``NAME=AMOUNT*TIMES``. Without TIMES
it stays until it is switched off; with it, so many requests meet it. Without AMOUNT:

=============  ======  =======================================================================
name           amount
=============  ======  =======================================================================
slow           20000   bytes a second
delay          3       nothing for so many seconds, then the answer
hang           300     half of the answer, then nothing for so many seconds
silent         300     no answer at all for so many seconds
endless        300     a body that does not end for so many seconds
reset          0.5     the connection is reset after this share of the answer
truncated      0.5     the connection is closed after this share of the answer
cut            0.5     a whole answer, whose JSON ends after this share
restarting     1       each third request, from the first on, ends unanswered, and nobody
                       listens for so many seconds
status-500             that status (any other as well) and an empty body
redirect               a redirect to another host
garbage                HTML, and every other time bytes that are no text, with status 200
duplicates             every row twice
shuffled               rows in any order
shrinking      3       every third row (by its content) has vanished, from the count as well
malformed      50      after every fiftieth row (by its content) one that cannot be used
poison         50      after every fiftieth row one that is dangerous to parse
indexing       60      its view is being built: after so many seconds a count is answered with
                       status 500, and a range ends the server's process
wrong-count    1000    the count is too high by this, and every other time too low
=============  ======  =======================================================================

Rows that `malformed` and `poison` add have ids of their own and are the same at each request; the
right rows are all there, so that the numbers must be right as well. The count does not know them;
`spoilt` makes records of such shapes, which a store holds, and counts.
"""

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from random import Random
from types import MappingProxyType
from typing import Final
from zlib import crc32

from fake_server.rows import Record

AMOUNTS: Final[Mapping[str, float]] = MappingProxyType(
    {
        "slow": 20_000,
        "delay": 3,
        "hang": 300,
        "silent": 300,
        "endless": 300,
        "reset": 0.5,
        "truncated": 0.5,
        "cut": 0.5,
        "restarting": 1,
        "redirect": 0,
        "garbage": 0,
        "duplicates": 0,
        "shuffled": 0,
        "shrinking": 3,
        "malformed": 50,
        "poison": 50,
        "indexing": 60,
        "wrong-count": 1000,
    }
)
"""The faults, `status-NNN` aside, and the amount that each has unless it is given."""

_WRITTEN: Final = re.compile(
    r"(?P<name>[a-z]+(-\w+)?)(=(?P<amount>\d+(\.\d+)?))?(\*(?P<times>\d+))?"
)
_STATUS: Final = re.compile(r"status-(\d{3})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault, as long as it is on."""

    name: str
    amount: float
    times: int | None = None
    """How many more requests meet it; None: all."""
    met: int = 0
    """How many met it already."""

    @property
    def status(self) -> int | None:
        """The status that it answers with, if it is one of that kind."""
        match = _STATUS.fullmatch(self.name)
        return int(match[1]) if match else None

    def after_one(self) -> "Fault":
        """Return what is left of it after another request."""
        times = None if self.times is None else self.times - 1
        return replace(self, times=times, met=self.met + 1)

    def __str__(self) -> str:
        """Return the fault as it is written on the command line."""
        times = "" if self.times is None else f"*{self.times}"
        return f"{self.name}={self.amount:.12g}{times}"


def parse(text: str) -> Fault:
    """Read a fault as it is written on the command line."""
    match = _WRITTEN.fullmatch(text)
    name = match["name"] if match else ""
    if match is None or (name not in AMOUNTS and not _STATUS.fullmatch(name)):
        raise ValueError(f"no such fault: {text!r}; one of status-500, {', '.join(AMOUNTS)}")
    return Fault(
        name=name,
        amount=float(match["amount"] or AMOUNTS.get(name, 0)),
        times=int(match["times"]) if match["times"] else None,
    )


class Faults:
    """Those that are on. Safe to switch while requests are answered."""

    def __init__(self, written: Iterable[str] = ()) -> None:
        """Start with the faults that are written."""
        self._lock = threading.Lock()
        self._on: tuple[Fault, ...] = ()
        self.switch(written)

    def switch(self, written: Iterable[str]) -> None:
        """Set the faults that are on from now."""
        chosen = tuple(parse(text) for text in written)
        with self._lock:
            self._on = chosen

    def written(self) -> list[str]:
        """Return those that are on, as they can be switched on again."""
        return [str(fault) for fault in self._on]

    def meet(self) -> dict[str, Fault]:
        """Return what the next request meets, by name."""
        with self._lock:
            met = {fault.name: fault for fault in self._on}
            self._on = tuple(fault.after_one() for fault in self._on if fault.times != 1)
        return met


def change_rows(rows: Iterable[bytes], met: Mapping[str, Fault], *, request: int) -> list[bytes]:
    """Change the rows as the faults say."""
    changed = list(rows)
    for name, change in _ROW_CHANGES.items():
        if name in met:
            changed = change(changed, met[name].amount, request)
    return changed


def changes_rows(met: Mapping[str, Fault]) -> bool:
    """Return whether `change_rows` would change anything."""
    return not _ROW_CHANGES.keys().isdisjoint(met)


def spoilt(name: str, timestamp_ms: int) -> list[Record]:
    """Return one record of each shape that `malformed` or `poison` puts into an object."""
    shapes = [shape for shape in _SHAPES[name] if shape.startswith("{")]
    return [
        Record(
            id=f"{name}-{timestamp_ms}-{number}",
            timestamp=timestamp_ms,
            blob=_filled(shape, str(timestamp_ms)).replace('"_id":"ID",', ""),
        )
        for number, shape in enumerate(shapes)
    ]


def _shrink(rows: list[bytes], amount: float, _request: int) -> list[bytes]:
    return [row for row in rows if crc32(row) % int(amount)]


def _duplicate(rows: list[bytes], _amount: float, _request: int) -> list[bytes]:
    return [row for row in rows for _ in range(2)]


def _shuffle(rows: list[bytes], _amount: float, request: int) -> list[bytes]:
    Random(request).shuffle(rows)
    return rows


def _added(shapes: tuple[str, ...]) -> Callable[[list[bytes], float, int], list[bytes]]:
    def add(rows: list[bytes], amount: float, _request: int) -> list[bytes]:
        return list(_with_added(rows, shapes, int(amount)))

    return add


def _with_added(rows: list[bytes], shapes: tuple[str, ...], every: int) -> Iterator[bytes]:
    for row in rows:
        yield row
        check = crc32(row)
        if check % every == 0:
            yield _spoilt(row, shapes[check // every % len(shapes)], check)


def _spoilt(row: bytes, shape: str, check: int) -> bytes:
    """Insert a blob of a bad shape into a row that looks like its neighbour."""
    if shape == "null":
        return b"null"
    match = re.search(rb'"timestamp":"?(\d+)', row)
    timestamp = match[1].decode() if match else "0"
    identity = f"bad{check:029x}"
    blob = _filled(shape, timestamp)
    if not row.startswith(b'{"id":'):
        return blob.replace('"_id":"ID",', f'"{identity:0>40}":"{identity:0>40}",').encode()
    blob = blob.replace("ID", identity)
    return f'{{"id":"{identity}","key":{timestamp},"value":{blob}}}'.encode()


def _filled(shape: str, timestamp: str) -> str:
    return shape.replace("TIMESTAMP", timestamp).replace("NESTED", "[" * 10_000 + "]" * 10_000)


_EVENTS: Final = '"event_stream":[["screen.rp_info",10]]'

_MALFORMED: Final = (
    '{"_id":"ID",' + _EVENTS + "}",
    '{"_id":"ID",' + _EVENTS + ',"timestamp":null}',
    '{"_id":"ID",' + _EVENTS + ',"timestamp":"yesterday"}',
    '{"_id":"ID",' + _EVENTS + ',"timestamp":{"ms":TIMESTAMP}}',
    '{"_id":"ID",' + _EVENTS + ',"timestamp":1361407200}',
    '{"_id":"ID",' + _EVENTS + ',"timestamp":-TIMESTAMP}',
    '{"_id":"ID",' + _EVENTS + ',"timestamp":99999999999999}',
    '{"_id":"ID","event_stream":"screen.rp_info","timestamp":TIMESTAMP}',
    '{"_id":"ID","event_stream":{"0":["screen.rp_info",10]},"timestamp":TIMESTAMP}',
    '{"_id":"ID","event_stream":["screen.rp_info",10],"timestamp":TIMESTAMP}',
    '{"_id":"ID","event_stream":[["screen.rp_info",10],[]],"timestamp":TIMESTAMP}',
    '{"_id":"ID","event_stream":[["screen.rp_info",10],[7,10]],"timestamp":TIMESTAMP}',
    "null",
    "[]",
    '"screen.rp_info"',
)

_POISON: Final = (
    '{"_id":"ID",' + _EVENTS + ',"timestamp":NaN}',
    '{"_id":"ID",' + _EVENTS + ',"timestamp":1e400}',
    '{"_id":"ID",' + _EVENTS + ',"timestamp":' + "9" * 5000 + "}",
    '{"_id":"ID","event_stream":NESTED,"timestamp":TIMESTAMP}',
    '{"_id":"ID","event_stream":[["\\ud800",10],3],"timestamp":TIMESTAMP}',
)

_SHAPES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"malformed": _MALFORMED, "poison": _POISON}
)

_ROW_CHANGES: Final[Mapping[str, Callable[[list[bytes], float, int], list[bytes]]]] = (
    MappingProxyType(
        {
            "shrinking": _shrink,
            "duplicates": _duplicate,
            "malformed": _added(_MALFORMED),
            "poison": _added(_POISON),
            "shuffled": _shuffle,
        }
    )
)

GARBAGE: Final = (
    b"<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>\r\n",
    bytes(range(256)) * 8,
)
"""Bodies that are not JSON, in turn."""
