"""The small values that a store remembers: their names, and how they are read.

One that cannot be read is logged, and taken for missing: each is found out or learned again.
"""

from datetime import datetime
from typing import TypeVar

import msgspec
import structlog

POSITION = "position"
"""When: up to there everything was fetched once."""
LEDGER = "reconciling"
"""What the reconciler knows of the past, as JSON."""
SLOW_RANGE = "slow range"
"""Where the source did not answer a range in time, as JSON; empty where there is no such."""
LATENESS = "lateness"
"""How late interactions were, as JSON."""
EXPOSED_SINCE = "exposed_since"
"""When KPIs were first exposed from this store."""
CLOCK = "clock"
"""What the clock said when it was last trusted."""
COPIED = "copied"
"""When the last copy into this store finished: arrivals before are not known."""
UNFINISHED_COPY = "unfinished copy"
"""How far a copy into this store that was stopped has come, as JSON."""

_Value = TypeVar("_Value")


def read_time(name: str, text: str | None) -> datetime | None:
    """Read a note that is an instant; None if it is missing or damaged."""
    if not text:
        return None
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        when = None
    if when is None or when.tzinfo is None:
        _log_damaged(name)
        return None
    return when


def read_json(name: str, text: str | None, kind: type[_Value]) -> _Value | None:
    """Read a note that is JSON; None if it is missing or damaged."""
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, ValueError, RecursionError):
        _log_damaged(name)
        return None


def _log_damaged(name: str) -> None:
    structlog.get_logger().warning("a note of the store is damaged and not used", note=name)
