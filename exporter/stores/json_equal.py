"""Whether two JSON texts mean the same, however they are spelt."""

from typing import Any

import msgspec


def same_meaning(one: bytes, other: bytes) -> bool:
    """Compare blobs: the order of keys and the form of numbers say nothing.

    A store, or a source, may spell what it was given in its own way.
    """
    return one == other or _same(msgspec.json.decode(one), msgspec.json.decode(other))


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
