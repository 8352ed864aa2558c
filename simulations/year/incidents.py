"""What goes wrong in the simulated year, a week or more between one and the next, and its odd days.

An odd day is no fault of sign-in. It stands a fortnight before an incident, so that the past with
which that is compared holds it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

PAST = timedelta(weeks=4)
"""Before the year begins, so that its first day has a past."""
YEAR = timedelta(days=365)
END = datetime(2026, 11, 1, tzinfo=UTC)
BEGIN = END - YEAR
FIRST = BEGIN - PAST


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One incident: what it is to people, and how the fake server is told of it."""

    title: str
    kind: str
    day: int
    """Days after the year's beginning."""
    hour: int
    hours: int
    severity: float = 1.0
    rising: bool = False
    segment: tuple[str, str] | None = None
    factor: float = 2.0
    """How many times as long people take, or how many times as many come."""
    quiet: bool = False
    """Whether the calendar has it, as a milestone with `quiet: true`."""

    @property
    def start(self) -> datetime:
        return BEGIN + timedelta(days=self.day, hours=self.hour)

    @property
    def end(self) -> datetime:
        return self.start + timedelta(hours=self.hours)

    def told(self) -> dict[str, Any]:
        """As `python -m fake_server --incidents` reads it."""
        limits = dict(zip(("segmentation", "segment"), self.segment or (), strict=False))
        return {
            "kind": self.kind,
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "severity": self.severity,
            "rising": self.rising,
            "factor": self.factor,
            **limits,
        }


TROUBLES = (
    Trouble(
        title="Dialog broken on Windows 7, 6 h",
        kind="bounce",
        day=29,
        hour=10,
        hours=6,
        segment=("OS", "Windows 7"),
    ),
    Trouble(
        title="Turkish dialog (one of 40) broken, 2 days",
        kind="bounce",
        day=40,
        hour=0,
        hours=48,
        severity=0.95,
        segment=("Locale", "Turkish"),
    ),
    Trouble(title="Mail delivery down, 1 day", kind="mail_down", day=58, hour=0, hours=24),
    Trouble(
        title="Nobody can reach sign-in at night, 4 h", kind="no_traffic", day=72, hour=1, hours=4
    ),
    Trouble(
        title="Bounces rise slowly for a week, to half of all",
        kind="bounce",
        day=86,
        hour=0,
        hours=168,
        severity=0.5,
        rising=True,
    ),
    Trouble(title="Everything takes twice as long, 12 h", kind="slow", day=108, hour=8, hours=12),
    Trouble(
        title="Sign-in fails on API `watch`, 12 h",
        kind="broken",
        day=120,
        hour=8,
        hours=12,
        segment=("API", "watch"),
    ),
    Trouble(
        title="Chrome takes twice as long, 1 day",
        kind="slow",
        day=135,
        hour=0,
        hours=24,
        segment=("Browser", "Chrome"),
    ),
    Trouble(title="Identity providers down, 1 day", kind="idp_down", day=150, hour=0, hours=24),
    Trouble(title="All sign-ins fail, 4 h", kind="broken", day=175, hour=16, hours=4),
    Trouble(
        title="Bounces drift up for ten days, 3% of all a day",
        kind="bounce",
        day=187,
        hour=0,
        hours=240,
        severity=0.3,
        rising=True,
    ),
    Trouble(title="Nobody can reach sign-in, 6 h", kind="no_traffic", day=205, hour=10, hours=6),
    Trouble(
        title="Errors for four of five, 5 h",
        kind="errors",
        day=235,
        hour=12,
        hours=5,
        severity=0.8,
    ),
    Trouble(
        title="Sign-in fails in Firefox, 12 h",
        kind="broken",
        day=262,
        hour=6,
        hours=12,
        segment=("Browser", "Firefox"),
    ),
    Trouble(
        title="Dialog broken on Macintosh, 1 day",
        kind="bounce",
        day=290,
        hour=0,
        hours=24,
        segment=("OS", "Macintosh"),
    ),
    Trouble(title="Dialog broken for all, 3 h", kind="bounce", day=318, hour=15, hours=3),
    Trouble(
        title="English dialog broken for three of five, 12 h",
        kind="bounce",
        day=345,
        hour=8,
        hours=12,
        severity=0.6,
        segment=("Locale", "English"),
    ),
)

ODD_DAYS = (
    Trouble(title="Bots, 50 times as many, 3 h", kind="bots", day=221, hour=13, hours=3, factor=50),
    Trouble(
        title="A campaign, 8 times as many, 1 day",
        kind="crowd",
        day=248,
        hour=0,
        hours=24,
        factor=8,
    ),
    Trouble(
        title="A load test that signs in, 6 times as many, 1 day",
        kind="load_test",
        day=276,
        hour=0,
        hours=24,
        factor=6,
    ),
    Trouble(
        title="A holiday in the calendar, a tenth comes",
        kind="no_traffic",
        day=304,
        hour=0,
        hours=24,
        severity=0.9,
        quiet=True,
    ),
    Trouble(
        title="A holiday that the calendar lacks, a tenth comes",
        kind="no_traffic",
        day=331,
        hour=0,
        hours=24,
        severity=0.9,
    ),
)
