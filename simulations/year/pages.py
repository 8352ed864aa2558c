"""From firing hours to pages, and from pages to incidents."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from simulations.year.incidents import BEGIN, END, Trouble

KEPT_HOURS = 3  # keep_firing_for
REMEMBERED_HOURS = 24  # the longest window watched


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """An alert, and the Unix hours at which it is true; an hour is known when it is over."""

    alert: str
    window: str
    title: str = ""
    """The alert and what it is about."""
    hours: frozenset[int]

    def between(self, first: int, end: int) -> "Firing":
        """Return the part of it within these hours."""
        return replace(self, hours=frozenset(hour for hour in self.hours if first <= hour < end))


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """By which alert, and how many hours after the beginning."""

    alert: str
    hours: int


def pages(firings: Iterable[Firing]) -> list[tuple[int, int]]:
    """First hour and end of each notification: all alerts on sign-in are one group."""
    lit = sorted(
        {hour + more for each in firings for hour in each.hours for more in range(1 + KEPT_HOURS)}
    )
    found: list[tuple[int, int]] = []
    for hour in lit:
        if found and found[-1][1] == hour:
            found[-1] = (found[-1][0], hour + 1)
        else:
            found.append((hour, hour + 1))
    return found


def finding(trouble: Trouble, firings: Sequence[Firing]) -> Found | None:
    """The first alert while an incident is on or its window remembers it."""
    begin, end = _span(trouble)
    first = [
        Found(alert=each.alert, hours=min(seen) + 1 - begin)
        for each in firings
        if (seen := [hour for hour in each.hours if begin <= hour < end])
    ]
    return min(first, key=lambda found: found.hours, default=None)


def false_pages(firings: Sequence[Firing], troubles: Sequence[Trouble]) -> int:
    """Notifications that no incident explains."""
    spans = [_span(trouble) for trouble in troubles]
    return sum(
        not any(first < end and begin < last for begin, end in spans)
        for first, last in pages(firings)
    )


def quiet_days(troubles: Sequence[Trouble]) -> int:
    """How many days of the year no incident touches, nor any window that remembers one."""
    return len(_quiet(troubles))


def quiet_days_alarmed(firings: Iterable[Firing], troubles: Sequence[Trouble]) -> int:
    """On how many of those an alert fired all the same."""
    return len(_quiet(troubles) & {hour // 24 for each in firings for hour in each.hours})


def _quiet(troubles: Sequence[Trouble]) -> set[int]:
    touched = {hour // 24 for each in troubles for hour in range(*_span(each))}
    return set(range(_hour(BEGIN) // 24, _hour(END) // 24)) - touched


def _span(trouble: Trouble) -> tuple[int, int]:
    return _hour(trouble.start), _hour(trouble.end) + REMEMBERED_HOURS


def _hour(moment: datetime) -> int:
    return int(moment.timestamp()) // 3600
