"""Waiting for a condition instead of sleeping and hoping."""

import time
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")


def first_true(condition: Callable[[], T], *, within: float) -> T:
    """Return the first true answer of `condition`, or the last one after so many seconds."""
    deadline = time.monotonic() + within
    while not (answer := condition()) and time.monotonic() <= deadline:
        time.sleep(0.02)
    return answer


def eventually(condition: Callable[[], T], *, within: float = 10.0) -> T:
    """Return the first true answer of `condition`; fail if none comes within so many seconds."""
    answer = first_true(condition, within=within)
    if not answer:
        pytest.fail(f"still {answer!r} after {within} s: {condition}")
    return answer
