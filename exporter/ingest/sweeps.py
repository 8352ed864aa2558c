"""When past ranges of time are fetched again, for what came to them late."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """Ranges up to an age are fetched again at an interval; without `up_to`, all the rest."""

    every: timedelta
    up_to: timedelta = timedelta.max


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweeps:
    """When the past is fetched again, and how much of it.

    `after`: while the source holds more than is accounted for, the past is fetched again in
    ranges that end at these ages, and one of all the rest. `uncounted`: where the source
    cannot count: the first tier that a range is young enough for says how often. `everything`:
    all of it, at this interval, whatever the counts say, for they do not tell of changes. `share`:
    of the source's time, at most, for all that; `rows`: of one import, at most.
    """

    after: tuple[timedelta, ...] = (
        timedelta(hours=6),
        timedelta(days=1),
        timedelta(days=4),
        timedelta(days=16),
        timedelta(days=64),
    )
    uncounted: tuple[Tier, ...] = (
        Tier(up_to=timedelta(days=1), every=timedelta(hours=1)),
        Tier(up_to=timedelta(days=30), every=timedelta(days=1)),
        Tier(every=timedelta(days=7)),
    )
    everything: timedelta = timedelta(days=90)
    share: float = 0.1
    rows: int = 250_000
