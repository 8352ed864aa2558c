"""Waiting for a condition instead of sleeping and hoping.

A limit is there for what hangs, not for what is slow: a busy machine may need ten times as long as
an idle one. KPI_TEST_TIMEOUT_FACTOR multiplies every limit, for a machine that is busier still.
"""

import os
import time
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

FACTOR: Final = float(os.environ.get("KPI_TEST_TIMEOUT_FACTOR", "1"))
WAIT_SECONDS: Final = 120 * FACTOR
"""The longest that one condition is waited for."""
TEST_SECONDS: Final = 300 * FACTOR
"""The longest that one test may take."""


def first_true(condition: Callable[[], T], *, within: float = WAIT_SECONDS) -> T:
    """Return the first true answer of `condition`, or the last one after so many seconds."""
    deadline = time.monotonic() + within
    pause_seconds = 0.01
    while not (answer := condition()) and time.monotonic() <= deadline:
        time.sleep(pause_seconds)
        pause_seconds = min(1.5 * pause_seconds, 0.2)  # to ask is work for who is asked
    return answer


def eventually(condition: Callable[[], T], *, within: float = WAIT_SECONDS) -> T:
    """Return the first true answer of `condition`; fail if none comes within so many seconds."""
    answer = first_true(condition, within=within)
    if not answer:
        raise AssertionError(f"still {answer!r} after {within} s: {condition}")
    return answer
