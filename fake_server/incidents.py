"""Things that go wrong for a while, known to the generator and to the truth alike.

An incident turns journeys into worse ones. As a file: a JSON list of objects such as
``{"kind": "broken", "start": "2026-03-01T06:00Z", "end": "2026-03-01T12:00Z", "severity": 0.9,
"rising": false, "segmentation": "OS", "segment": "Windows 7"}``; all but the first three optional.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final

from fake_server.journeys import BY_NAME, JOURNEYS, Journey
from fake_server.traits import SEGMENTATIONS, SEGMENTS

_EVERY: Final = tuple(one.name for one in JOURNEYS)
_ENGAGED: Final = tuple(
    one.name for one in JOURNEYS if one.outcome in {"assertion", "fallback", "idp"}
)
_RETURNING_FROM_MAIL: Final = tuple(
    one.name for one in JOURNEYS if one.stream is not None and "staging_continuation" in one.stream
)
_SIGNING_UP: Final = ("signs up", "signs up past an error", "signs up, one event lost")
_RESETTING: Final = (
    "resets the password",
    "resets by choosing anew",
    "resets, and is not signed in",
)
_PROVIDED: Final = (
    "is new, by the provider",
    "is new, redirected to the provider",
    "is new by the provider, not provisioned",
    "returns, by the provider",
    "returns by the provider, newness unknown",
    "returns by the provider, newness null",
)

KINDS: Final[Mapping[str, Mapping[str, str | None]]] = MappingProxyType(
    {
        "no_traffic": dict.fromkeys(_EVERY),
        "bounce": dict.fromkeys(
            (*_ENGAGED, *(one.name for one in JOURNEYS if one.outcome == "fail")),
            "leaves at the e-mail field",
        ),
        "broken": dict.fromkeys(_ENGAGED, "never gets the assertion"),
        "errors": dict.fromkeys(_ENGAGED, "is refused the assertion"),
        "mail_down": {
            **dict.fromkeys(_SIGNING_UP, "waits for the mail"),
            "confirms, and is not signed in": "waits for the mail",
            **dict.fromkeys(_RETURNING_FROM_MAIL),
            **dict.fromkeys(_RESETTING, "does not finish the reset"),
            "adds an address": "adds an address, uses another",
        },
        "password_reset_broken": {
            **dict.fromkeys(_RESETTING, "does not finish the reset"),
            "comes back from the reset mail": None,
        },
        "idp_down": dict.fromkeys(_PROVIDED, "does not return from the provider"),
        "slow": {},
        "crowd": {},
        "bots": {},
        "load_test": {},
    }
)
"""For each kind: the journeys that it touches and what becomes of each; None: it never happens.
In a ``slow`` one everybody does what they always do, and takes `factor` times as long."""

CROWDS: Final[Mapping[str, str | None]] = MappingProxyType(
    {
        "crowd": None,
        "bots": "leaves at the e-mail field",
        "load_test": "types the password",
    }
)
"""Kinds in which `factor` times as many come: what those do who come on top; None: what all do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One disturbance, from `start` up to, but not including, `end`."""

    kind: str
    start: datetime
    end: datetime
    severity: float = 1.0
    """Share of the journeys that it touches, 0 to 1."""
    rising: bool = False
    """Whether the severity grows from 0 at the start to its full at the end."""
    segmentation: str | None = None
    segment: str | None = None
    factor: float = 2.0
    """Of a ``slow`` one: how many times as long everything takes; of `CROWDS`: how many times as
    many come."""

    def __post_init__(self) -> None:
        """Refuse what could never happen."""
        if self.kind not in KINDS:
            raise ValueError(f"no such kind of incident: {self.kind!r}; one of {', '.join(KINDS)}")
        if not 0 <= self.severity <= 1:
            raise ValueError(f"severity is a share, 0 to 1: {self.severity}")
        if self.segmentation is not None and self.segment not in SEGMENTS.get(
            self.segmentation, ()
        ):
            raise ValueError(f"no user is in {self.segmentation}: {self.segment}")
        if self.factor <= 0:
            raise ValueError(f"factor is how many times as long it takes, above 0: {self.factor}")
        if self.kind in CROWDS and (self.factor < 1 or self.segment is not None):
            raise ValueError(f"{self.kind} brings everybody `factor` times, 1 or more: {self}")
        if self.start >= self.end:
            raise ValueError(f"the incident ends before it starts: {self.start} to {self.end}")

    def covers(self, moment: datetime) -> bool:
        """Return whether it is on."""
        return self.start <= moment < self.end

    def alter(
        self, journey: Journey, *, moment: datetime, segments: tuple[str, ...], draw: float
    ) -> Journey | None:
        """Return what becomes of a journey; `draw`, 0 to 1, decides whether it is hit."""
        severity = self.severity
        if self.rising:
            severity *= (moment - self.start) / (self.end - self.start)
        if draw >= severity or not self._touches(segments):
            return journey
        worse = KINDS[self.kind].get(journey.name, journey.name)
        return None if worse is None else BY_NAME[worse]

    def slows(self, segments: tuple[str, ...]) -> float:
        """Return how many times as long a user takes."""
        return self.factor if self.kind == "slow" and self._touches(segments) else 1.0

    def _touches(self, segments: tuple[str, ...]) -> bool:
        return (
            self.segmentation is None
            or segments[SEGMENTATIONS.index(self.segmentation)] == self.segment
        )


def read_incidents(path: Path) -> tuple[Incident, ...]:
    """Read a file of incidents; times without an offset are UTC."""
    return tuple(
        Incident(
            **{**one, "start": instant(one["start"]), "end": instant(one["end"])},
        )
        for one in json.loads(path.read_text(encoding="utf-8"))
    )


def instant(text: str) -> datetime:
    """Read an ISO date or time; UTC unless it says otherwise."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
