"""Whether two JSON texts mean the same, however they are encoded."""

import json
import re
from hashlib import blake2b
from typing import Any

import msgspec

_TOKEN = re.compile(rb'("(?:[^"\\]|\\.)*+")|([{}\[\],:])|([^\s{}\[\],:"]++)', re.DOTALL)
_NUMBER = re.compile(rb"(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,18}))?")
_NOT_DECODED = (msgspec.DecodeError, RecursionError, UnicodeDecodeError, OverflowError)


def same_meaning(one: bytes, other: bytes) -> bool:
    """Compare blobs: the order of keys and the form of numbers do not count. Cannot fail.

    A store, or a source, may encode what it was given in its own way. What no decoder takes
    (numbers out of range, broken UTF-8, nesting without end) is compared token by token.
    """
    if one == other:
        return True
    try:
        return _same(msgspec.json.decode(one), msgspec.json.decode(other))
    except _NOT_DECODED:
        return _digest(one) == _digest(other)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other or float(one) == float(other)
    return bool(one == other)


def _digest(text: bytes) -> bytes:
    """Return bytes that JSON texts of one meaning share; without recursion.

    Each object and array becomes a digest of what is in it as soon as it ends.
    """
    open_ones: list[list[bytes]] = [[]]
    for token in _TOKEN.finditer(text):
        string, mark, other = token.groups()
        if string is not None:
            open_ones[-1].append(_string(string))
        elif other is not None:
            open_ones[-1].append(_scalar(other))
        elif mark in b"{[":
            open_ones.append([])
        elif mark in b"}]" and len(open_ones) > 1:
            inner = open_ones.pop()
            open_ones[-1].append(_hashed(mark, _object(inner) if mark == b"}" else inner))
    return _hashed(b"", [part for inner in open_ones for part in inner])


def _object(parts: list[bytes]) -> list[bytes]:
    """Sort names and values by name; of a name that is there twice the last counts."""
    pairs = dict(zip(parts[::2], parts[1::2], strict=False))
    return [part for name in sorted(pairs) for part in (name, pairs[name])]


def _hashed(kind: bytes, parts: list[bytes]) -> bytes:
    total = blake2b(kind + b"%d" % len(parts), digest_size=20)
    for part in parts:
        total.update(b"%d:" % len(part))
        total.update(part)
    return kind + total.digest()


def _string(text: bytes) -> bytes:
    try:
        value = json.loads(text.decode("utf-8", "surrogateescape"), strict=False)
    except ValueError:
        return b's"' + text
    return b"s" + str(value).encode("utf-8", "surrogatepass")


def _scalar(text: bytes) -> bytes:
    """Return a number as its digits and exponent, anything else as it is."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        return b"v" + text
    sign, whole, fraction, exponent = found.groups(default=b"")
    digits = (whole + fraction).lstrip(b"0")
    kept = digits.rstrip(b"0")
    if not kept:
        return b"n0"
    power = int(exponent or 0) - len(fraction) + len(digits) - len(kept)
    return b"n" + sign + kept + b"e%d" % power
