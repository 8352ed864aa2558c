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
    """When a past range is fetched again.

    `after`: at these ages, while the source holds more than is accounted for here.
    `uncounted`: where the source cannot count: the first tier that a range is young enough
    for says how often. `everything`: all of the history, at this interval, whatever the counts
    say: they do not tell of changes, nor what is out of reach. `doubted`: the same, where late
    rows may hide behind others that the source deleted. `rows`: how many rows a run may fetch
    for all that.
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
    doubted: timedelta = timedelta(days=7)
    rows: int = 250_000
