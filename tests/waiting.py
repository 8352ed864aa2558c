"""Waiting for a condition instead of sleeping and hoping."""

import time
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")


def eventually(condition: Callable[[], T], *, within: float = 10.0) -> T:
    """Return the first true answer of `condition`; fail if none comes within so many seconds."""
    deadline = time.monotonic() + within
    while not (answer := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"still {answer!r} after {within} s: {condition}")
        time.sleep(0.02)
    return answer
