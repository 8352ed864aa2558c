"""Windows and hours: the grid of time that interactions are counted on."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from exporter.domain.interaction import Hour

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)
_MS = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A trailing window: `name` as configured (`1d`), its length in whole hours.

    `by_segment` is whether its KPIs are exposed by segment, too.
    """

    name: str
    hours: int
    by_segment: bool = True


def ms_of(when: datetime) -> int:
    """Return an instant in milliseconds since 1970."""
    return (when - EPOCH) // _MS


def instant_of(ms: int) -> datetime:
    """Return the instant by its milliseconds since 1970."""
    return EPOCH + ms * _MS


def hour_of(when: datetime) -> Hour:
    """Return the hour that an instant lies in."""
    return (when - EPOCH) // _HOUR


def start_of(hour: Hour) -> datetime:
    """Return the instant at which an hour begins."""
    return EPOCH + hour * _HOUR


def day_of(hour: Hour) -> date:
    """Return the UTC day that an hour lies in."""
    return start_of(hour).date()


def joined(ranges: Iterable[tuple[Hour, Hour]]) -> list[tuple[Hour, Hour]]:
    """Return ranges of hours, ascending; those that follow each other become one."""
    result: list[tuple[Hour, Hour]] = []
    for start, end in ranges:
        first = result.pop()[0] if result and result[-1][1] == start else start
        result.append((first, end))
    return result


def first_hour_of(day: date) -> Hour:
    """Return the hour that a UTC day begins with."""
    return (day - EPOCH.date()).days * 24
