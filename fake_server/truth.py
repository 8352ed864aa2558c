"""The right counts, added up from plans and never from blobs.

As JSON::

    {"stored": 36512, "counted": 35810, "ignored": 702,
     "string_timestamps": 0, "missing_timestamps": 0,
     "days": {"2026-11-01": {"Total": TALLY, "OS": {"Linux": TALLY, …}, "Browser": {…}, …}}}

``stored`` is what a store holds (a server's count), ``counted`` the sign-in attempts in ``days``
and ``ignored`` those without events; blobs without a timestamp are in ``stored`` and in
``missing_timestamps`` alone. Days and segments without an attempt are left out. A TALLY::

    {"attempts": 393, "outcomes": {"bounce": 70, "fail": 61, "assertion": 180, …},
     "bounces_signed_in": 12,
     "flows": {"general_progress": {"0 - Blob sent": 393, …}, "new_user": {…}, …},
     "sites": {"sum": 861, "histogram": {"0": 80, "1": 141, …}},
     "durations": {"sign_in": [812, 2310, …], …}}

A duration's values are milliseconds, ascending; a truth of millions leaves them out.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from fake_server.crowd import Plan
from fake_server.journeys import BY_NAME, FLOW_STEPS, OUTCOMES
from fake_server.pace import DURATIONS, durations_ms
from fake_server.traits import SEGMENTATIONS

_HOUR_MS: Final = 3_600_000
_TOTAL: Final = ("Total", "")


class Truth:
    """Counts by hour and segment of the plans that were added."""

    def __init__(self, *, durations: bool = True) -> None:
        """Start with nothing; without `durations`, their values are not kept."""
        self.durations: dict[int, dict[tuple[str, str], dict[str, list[int]]]] | None = (
            {} if durations else None
        )
        """Hour since 1970: (segmentation, segment): duration: values."""
        self.hours: dict[int, dict[tuple[str, str], Counter[tuple[str, int]]]] = {}
        """Hour since 1970: (segmentation, segment): (journey, sites): how often."""
        self.stored: Counter[str] = Counter()
        """How many blobs of each kind were added."""

    def add(self, plans: Iterable[Plan]) -> None:
        """Count plans, each as often as it is given."""
        for plan in plans:
            if plan.timestamp_as == "missing":
                self.stored["missing_timestamps"] += 1
                continue
            self.stored["string_timestamps"] += plan.timestamp_as == "string"
            if not plan.journey.counted:
                self.stored["ignored"] += 1
                continue
            self.stored["counted"] += 1
            hour = self.hours.setdefault(plan.timestamp_ms // _HOUR_MS, {})
            done = (plan.journey.name, plan.sites)
            keys = (_TOTAL, *zip(SEGMENTATIONS, plan.segments, strict=True))
            for key in keys:
                hour.setdefault(key, Counter())[done] += 1
            if self.durations is not None:
                took = durations_ms(plan.journey, plan.chance, plan.slowness)
                of_hour = self.durations.setdefault(plan.timestamp_ms // _HOUR_MS, {})
                for key in keys:
                    values = of_hour.setdefault(key, {})
                    for name, ms in took.items():
                        values.setdefault(name, []).append(ms)

    def merge(self, other: "Truth") -> None:
        """Add what another truth counted."""
        self.stored.update(other.stored)
        for number, segments in other.hours.items():
            hour = self.hours.setdefault(number, {})
            for key, done in segments.items():
                hour.setdefault(key, Counter()).update(done)
        if self.durations is None or other.durations is None:
            return
        for number, of_segments in other.durations.items():
            into = self.durations.setdefault(number, {})
            for key, took in of_segments.items():
                for name, values in took.items():
                    into.setdefault(key, {}).setdefault(name, []).extend(values)

    def days(self) -> dict[str, Any]:
        """Return the tallies by UTC day, as in the module's description."""
        by_day: dict[str, list[int]] = {}
        for hour in sorted(self.hours):
            day = datetime.fromtimestamp(hour * 3600, UTC).date().isoformat()
            by_day.setdefault(day, []).append(hour)
        return {day: self._over(hours) for day, hours in by_day.items()}

    def window(self, since: datetime, until: datetime) -> dict[str, Any]:
        """Return the tallies of the whole hours from `since` up to, but not including, `until`."""
        first, end = (int(moment.timestamp()) // 3600 for moment in (since, until))
        return self._over(hour for hour in self.hours if first <= hour < end)

    def as_json(self) -> dict[str, Any]:
        """Return everything, as in the module's description."""
        stored = self.stored
        return {
            "stored": stored["counted"] + stored["ignored"] + stored["missing_timestamps"],
            **{
                name: stored[name]
                for name in ("counted", "ignored", "string_timestamps", "missing_timestamps")
            },
            "days": self.days(),
        }

    def _over(self, hours: Iterable[int]) -> dict[str, Any]:
        done: dict[tuple[str, str], Counter[tuple[str, int]]] = {}
        took: dict[tuple[str, str], dict[str, list[int]]] = {}
        for hour in hours:
            for key, counts in self.hours[hour].items():
                done.setdefault(key, Counter()).update(counts)
            for key, values in (self.durations or {}).get(hour, {}).items():
                for name, ms in values.items():
                    took.setdefault(key, {}).setdefault(name, []).extend(ms)

        def tally(key: tuple[str, str]) -> dict[str, Any]:
            found = _tally(done.get(key, Counter()))
            if self.durations is not None:
                of_key = took.get(key, {})
                found["durations"] = {name: sorted(of_key.get(name, ())) for name in DURATIONS}
            return found

        tallies: dict[str, Any] = {"Total": tally(_TOTAL)}
        for segmentation in SEGMENTATIONS:
            tallies[segmentation] = {
                segment: tally((name, segment))
                for name, segment in sorted(done)
                if name == segmentation
            }
        return tallies


def _tally(done: Mapping[tuple[str, int], int]) -> dict[str, Any]:
    outcomes = dict.fromkeys(OUTCOMES, 0)
    flows = {flow: dict.fromkeys(steps, 0) for flow, steps in FLOW_STEPS.items()}
    sites: Counter[int] = Counter()
    signed_in = 0
    for (name, number), times in done.items():
        journey = BY_NAME[name]
        if journey.outcome is not None:
            outcomes[journey.outcome] += times
        for flow, step in journey.steps:
            flows[flow][step] += times
        sites[number] += times
        signed_in += times * journey.signed_in_bounce
    return {
        "attempts": sum(done.values()),
        "outcomes": outcomes,
        "bounces_signed_in": signed_in,
        "flows": flows,
        "sites": {
            "sum": sum(number * times for number, times in sites.items()),
            "histogram": {str(number): sites[number] for number in sorted(sites)},
        },
    }
