"""The simulated users: who comes when, what each does, and when the news of it arrives.

Everything is decided here, as a `Plan`, before a blob exists. The ten minutes that a timestamp is
rounded to are the unit of chance: each has a generator of its own, so that any range, cut in any
way, holds the same plans.
"""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from math import exp
from random import Random
from typing import Final

from fake_server.incidents import CROWDS, Incident
from fake_server.journeys import BY_NAME, JOURNEYS, Journey
from fake_server.pace import HANDHELD_FACTOR, NEW_FACTOR
from fake_server.traits import (
    APIS,
    BROWSERS,
    EMAIL_TYPES,
    EMAILS,
    HANDHELD,
    LANGUAGES,
    ODD_AGENTS,
    OTHER,
    SAMPLE_RATES,
    SCREENS,
    SITES,
    SYSTEMS,
)

SLOT_MS: Final = 600_000
"""The ten minutes to which the clients round their timestamps down."""

_SLOTS_A_DAY: Final = 144
BY_HOUR: Final = (
    0.45, 0.35, 0.28, 0.25, 0.27, 0.38, 0.60, 0.85, 1.10, 1.30, 1.40, 1.42,
    1.38, 1.42, 1.48, 1.50, 1.45, 1.38, 1.32, 1.35, 1.30, 1.15, 0.90, 0.72,
)  # fmt: skip
"""How many come at each hour of the day, relative to each other."""
_BY_WEEKDAY: Final = (1.12, 1.15, 1.14, 1.10, 1.02, 0.72, 0.75)
_JOURNEYS: Final = tuple(one for one in JOURNEYS for _ in range(one.share))
_NORMAL_FROM: Final = 40.0
"""From this mean on a normal deviate stands in for Poisson's, whose cost grows with the mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one user does in one dialog, and how the blob will say it."""

    number: int
    """160 random bits: its id."""
    timestamp_ms: int
    """When, rounded down to ten minutes."""
    arrives_ms: int
    """When the blob reaches the server."""
    journey: Journey
    segments: tuple[str, ...]
    """One for each of `traits.SEGMENTATIONS`."""
    sites: int
    members: tuple[str, ...]
    """The JSON members that show segments and sites; empty ones are left out of the blob."""
    chance: int
    """512 random bits: when each event happens, and noise."""
    slowness: float = 1.0
    """How many times the typical time this kind of user takes."""
    timestamp_as: str = "number"
    """How the blob holds its timestamp: `number`, `string`, or `missing`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lateness:
    """How late blobs arrive: mostly at the user's next dialog, which can be far away."""

    share: float = 0.2
    """Share of the blobs that are late at all; the others take less than a minute."""
    least: timedelta = timedelta(hours=1)
    most: timedelta = timedelta(days=30)

    def delay_ms(self, late: float, far: float) -> int:
        """Convert two draws, 0 to 1, into a delay; short ones are commoner than long ones."""
        if late >= self.share:
            return int(1_000 + far * 59_000)
        least = self.least.total_seconds()
        return int(1000 * least * (self.most.total_seconds() / least) ** far)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """All simulated users. The same values always do the same things."""

    seed: int = 1
    per_day: float = 400.0
    """Mean number of dialogs a day, before incidents."""
    lateness: Lateness = Lateness()
    incidents: tuple[Incident, ...] = ()
    string_timestamps: float = 0.0
    """Share of blobs whose timestamp is a string."""
    missing_timestamps: float = 0.0
    """Share of blobs without a timestamp."""

    def plans(self, since: datetime, until: datetime) -> Iterator[Plan]:
        """Return what is done from `since` up to, but not including, `until`, in order of time."""
        for slot in range(_slot(since), _slot(until)):
            yield from self.slot(slot)

    def slot(self, number: int) -> list[Plan]:
        """Return what is done in one slot, counted from 1970, in no order."""
        rng = Random(f"{self.seed}/{number}")
        start_ms = number * SLOT_MS
        start = datetime.fromtimestamp(start_ms / 1000, UTC)
        incidents = tuple(one for one in self.incidents if one.covers(start))
        mean = self._mean(number)
        drawn = [self._plan(rng, start_ms, incidents) for _ in range(_visitors(rng, mean))]
        for incident in incidents:
            if incident.kind in CROWDS:
                more = Random(f"{self.seed}/{number}/{incident.kind}")
                drawn += (
                    self._plan(more, start_ms, incidents, does=CROWDS[incident.kind])
                    for _ in range(_visitors(more, mean * (incident.factor - 1)))
                )
        return [one for one in drawn if one is not None]

    def _mean(self, slot: int) -> float:
        day, within = divmod(slot, _SLOTS_A_DAY)
        # 1970 began on a Thursday.
        rhythm = BY_HOUR[within // 6] * _BY_WEEKDAY[(day + 3) % 7]
        rhythm *= 24 / sum(BY_HOUR) * 7 / sum(_BY_WEEKDAY)
        return self.per_day / _SLOTS_A_DAY * rhythm

    def _plan(
        self,
        rng: Random,
        start_ms: int,
        incidents: tuple[Incident, ...],
        *,
        does: str | None = None,
    ) -> Plan | None:
        # Every draw is made whatever comes of it, so that an incident changes only what it hits.
        number, chance = rng.getrandbits(160), rng.getrandbits(512)
        user = _user(rng)
        journey: Journey | None = rng.choice(_JOURNEYS)
        if does is not None:
            journey = BY_NAME[does]
        hit, email_type_drawn, moment, late, far, oddity = (rng.random() for _ in range(6))
        for incident in incidents:
            if journey is not None:
                journey = incident.alter(
                    journey,
                    moment=datetime.fromtimestamp(start_ms / 1000, UTC),
                    segments=user.segments,
                    draw=hit,
                )
        if journey is None:
            return None
        email_types = EMAIL_TYPES[journey.provider]
        email_type = email_types[int(email_type_drawn * len(email_types))]
        timestamp_as = "number"
        if oddity < self.string_timestamps:
            timestamp_as = "string"
        elif oddity < self.string_timestamps + self.missing_timestamps:
            timestamp_as = "missing"
        return Plan(
            number=number,
            timestamp_ms=start_ms,
            arrives_ms=start_ms + int(moment * SLOT_MS) + self.lateness.delay_ms(late, far),
            journey=journey,
            segments=(*user.segments, "Fallback" if journey.fallback else email_type.segment),
            sites=user.sites,
            members=(*user.members, email_type.json),
            chance=chance,
            slowness=self._slowness(user, journey, incidents),
            timestamp_as=timestamp_as,
        )

    @staticmethod
    def _slowness(user: "_User", journey: Journey, incidents: tuple[Incident, ...]) -> float:
        slowness = HANDHELD_FACTOR if user.segments[0] in HANDHELD else 1.0
        if journey.new_account == "true":
            slowness *= NEW_FACTOR
        for incident in incidents:
            slowness *= incident.slows(user.segments)
        return slowness


def _visitors(rng: Random, mean: float) -> int:
    if mean >= _NORMAL_FROM:
        return max(0, round(rng.gauss(mean, mean**0.5)))
    visitors, left = 0, rng.random()
    while left > exp(-mean):
        visitors += 1
        left *= rng.random()
    return visitors


@dataclass(frozen=True, slots=True, kw_only=True)
class _User:
    """Who somebody is, before they do anything."""

    segments: tuple[str, ...]
    """All but the last, which depends on what they do."""
    sites: int
    members: tuple[str, ...]


def _user(rng: Random) -> _User:
    choice = rng.choice
    system, browser, odd_agent = choice(SYSTEMS), choice(BROWSERS), choice(ODD_AGENTS)
    screen = choice(SCREENS[system.segment in HANDHELD])
    emails, language, api, sites = choice(EMAILS), choice(LANGUAGES), choice(APIS), choice(SITES)
    machine = (system.segment, browser.segment) if odd_agent is None else (OTHER, OTHER)
    version = f'"version":{rng.randrange(1, 40)}'
    return _User(
        segments=(*machine, screen.segment, emails.segment, language.segment, api.segment),
        sites=sites.count,
        members=(
            choice(SAMPLE_RATES),
            language.json,
            screen.json,
            emails.json,
            sites.json,
            api.json,
            _agent(system.json, browser.json, version) if odd_agent is None else odd_agent,
        ),
    )


def _agent(*parts: str) -> str:
    return f'"user_agent":{{{",".join(filter(None, parts))}}}'


class Arrivals:
    """Plans in the order in which their blobs reach the server, as time goes on."""

    def __init__(self, crowd: Crowd, since: datetime) -> None:
        """Start with what is done at `since`; nothing older ever arrives."""
        self._crowd = crowd
        self._slot = _slot(since)
        self._coming: list[tuple[int, int, Plan]] = []

    def until(self, moment: datetime) -> list[Plan]:
        """Return those that arrived since the last call, up to and including `moment`."""
        moment_ms = round(moment.timestamp() * 1000)
        while self._slot * SLOT_MS <= moment_ms:
            for plan in self._crowd.slot(self._slot):
                heapq.heappush(self._coming, (plan.arrives_ms, plan.number, plan))
            self._slot += 1
        arrived = []
        while self._coming and self._coming[0][0] <= moment_ms:
            arrived.append(heapq.heappop(self._coming)[2])
        return arrived

    def change_rate(self, per_day: float) -> None:
        """Change how many come: from the first slot that is not planned yet."""
        self._crowd = replace(self._crowd, per_day=per_day)


def in_order_of_arrival(plans: Iterable[Plan]) -> list[Plan]:
    """Sort plans as the server met them."""
    return sorted(plans, key=lambda plan: (plan.arrives_ms, plan.number))


def _slot(moment: datetime) -> int:
    return round(moment.timestamp() * 1000) // SLOT_MS
