"""Lateness: how long after its timestamp an interaction is seen here."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from math import nan

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
BOUNDS_SECONDS: tuple[int, ...] = (
    10 * _MINUTE,
    30 * _MINUTE,
    _HOUR,
    3 * _HOUR,
    6 * _HOUR,
    12 * _HOUR,
    _DAY,
    2 * _DAY,
    4 * _DAY,
    8 * _DAY,
    16 * _DAY,
    32 * _DAY,
    64 * _DAY,
    128 * _DAY,
    365 * _DAY,
)
FEWEST_OBSERVED = 1_000  # below this nothing is said about what is still to come


@dataclass(frozen=True, slots=True, kw_only=True)
class Lateness:
    """How many interactions were seen how late: `counts` by bucket, the last for all beyond.

    `seconds` is the sum of all lateness, `observed_seconds` how long it has been watched:
    nothing is known of what takes longer than that.
    """

    counts: tuple[int, ...] = (0,) * (len(BOUNDS_SECONDS) + 1)
    seconds: float = 0.0
    observed_seconds: float = 0.0

    def see(self, late_seconds: Iterable[float]) -> "Lateness":
        """Count interactions, each seen so long after its timestamp."""
        counts = list(self.counts)
        total = self.seconds
        for late in late_seconds:
            counts[bisect_left(BOUNDS_SECONDS, late)] += 1
            total += max(late, 0.0)
        return replace(self, counts=tuple(counts), seconds=total)

    def watch(self, length: timedelta) -> "Lateness":
        """Return this lateness after watching for so much longer."""
        seconds = max(length.total_seconds(), 0.0)
        return replace(self, observed_seconds=self.observed_seconds + seconds)

    def share_seen_within(self, seconds: float) -> float:
        """Estimate the share of interactions that are seen within so long of their timestamp.

        Between the bounds of a bucket it grows evenly.
        """
        total = sum(self.counts)
        if not total:
            return nan
        place = bisect_left(BOUNDS_SECONDS, seconds)
        if place == len(BOUNDS_SECONDS):
            return 1.0
        lower = BOUNDS_SECONDS[place - 1] if place else 0
        part = (seconds - lower) / (BOUNDS_SECONDS[place] - lower)
        return (sum(self.counts[:place]) + part * self.counts[place]) / total

    def expected_completeness(self, hours: int, into_hour_seconds: float) -> float:
        """Estimate which share of a window's interactions is in already.

        The window covers `into_hour_seconds` of the running hour and the hours - 1 before it,
        in each of which as many interactions are taken to happen. NaN while too few were
        observed, or not for as long as the window.
        """
        if sum(self.counts) < FEWEST_OBSERVED or self.observed_seconds < hours * _HOUR:
            return nan
        happened = into_hour_seconds / _HOUR
        seen = happened * self.share_seen_within(into_hour_seconds / 2)
        for n in range(hours - 1):
            seen += self.share_seen_within(into_hour_seconds + (n + 0.5) * _HOUR)
        total = happened + hours - 1
        return seen / total if total else nan


def late_seconds(timestamps_ms: Sequence[int], now_ms: int) -> list[float]:
    """Return how long ago each timestamp was."""
    return [(now_ms - timestamp_ms) / 1000 for timestamp_ms in timestamps_ms]
