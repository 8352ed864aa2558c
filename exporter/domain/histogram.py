"""Histograms: numbers in buckets, so that a quantile is off by at most 5%.

DDSketch (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile sketch with
relative-error guarantees", VLDB 2019): bucket i holds gamma^(i-1) < x <= gamma^i and stands for
2 gamma^i / (gamma + 1). Only whole numbers are stored, so histograms add up.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor, log, nan, nextafter

BUCKETS = "sites: 1 to 1,000, then 5%; durations: 5%"
"""Names the buckets that counts are in; part of the definitions' digest."""

LONGEST_MS = 86_400_000  # a day: later offsets are none
EXACT_SITES = 1_000
MOST_SITES = 1_000_000  # a larger number of sites is no usable value

_GAMMA = Fraction(105, 95)


def _bounds(largest: int) -> tuple[float, ...]:
    """Return gamma^i for i from 0 until `largest` is covered: the largest float not above each."""
    bounds = []
    for i in range(ceil(log(largest) / log(_GAMMA)) + 1):
        exact = _GAMMA**i
        bound = float(exact)
        bounds.append(bound if Fraction(bound) <= exact else nextafter(bound, 0))
    return tuple(bounds)


def _stands_for(i: int) -> float:
    return float(2 * _GAMMA**i / (_GAMMA + 1))


_BOUNDS = _bounds(LONGEST_MS)
_MIDDLES = (0.0, *map(_stands_for, range(len(_BOUNDS))))
DURATION_BUCKETS = len(_MIDDLES)
_EXACT_BUCKETS = bisect_left(_BOUNDS, EXACT_SITES)
QUICK_MS = 100_000  # most durations are shorter: their buckets are looked up
SITES_BUCKETS = EXACT_SITES + 1 + bisect_left(_BOUNDS, MOST_SITES) - _EXACT_BUCKETS + 1


def duration_bucket(ms: float) -> int:
    """Return the bucket of a duration in milliseconds: 0 below 1 ms, then i + 1."""
    return 0 if ms < 1 else 1 + bisect_left(_BOUNDS, float(ms))  # an int compares slowly


def _buckets_below(end: int) -> bytes:
    """Return the bucket of each whole number of milliseconds before `end`."""
    ends = [min(floor(bound) + 1, end) for bound in _BOUNDS]
    widths = [1, *(after - before for before, after in pairwise((1, *ends)))]
    return b"".join(bytes([bucket]) * width for bucket, width in enumerate(widths))


QUICK_BUCKETS = _buckets_below(QUICK_MS)
"""The bucket of each whole number of milliseconds below `QUICK_MS`."""


def duration_ms(bucket: int) -> float:
    """Return the milliseconds that a bucket stands for."""
    return _MIDDLES[bucket]


def duration_range_ms(bucket: int) -> tuple[float, float]:
    """Return what a bucket holds: above the first, up to the second."""
    if bucket == 0:
        return 0.0, 1.0
    return (_BOUNDS[bucket - 2] if bucket > 1 else 1.0), _BOUNDS[bucket - 1]


def sites_bucket(sites: int) -> int:
    """Return the bucket of a number of sites: itself up to 1,000."""
    if sites <= EXACT_SITES:
        return sites
    return EXACT_SITES + 1 + bisect_left(_BOUNDS, sites) - _EXACT_BUCKETS


def sites_in(bucket: int) -> float:
    """Return the number of sites that a bucket stands for."""
    if EXACT_SITES < bucket < SITES_BUCKETS:
        return _stands_for(bucket - EXACT_SITES - 1 + _EXACT_BUCKETS)
    return bucket  # exact, also those that an earlier version counted one by one


def sites_range(bucket: int) -> tuple[int, int]:
    """Return the least and the largest number of sites in a bucket beyond 1,000."""
    i = bucket - EXACT_SITES - 1 + _EXACT_BUCKETS
    return max(floor(_BOUNDS[i - 1]), EXACT_SITES) + 1, min(floor(_BOUNDS[i]), MOST_SITES)


def duration_quantile_ms(
    counts: Mapping[int, int], ordered: Sequence[int], first: int, interactions: int, percent: int
) -> float:
    """Return the value at rank floor(percent / 100 (n - 1)), from 0; NaN without interactions.

    `counts` holds the buckets from key `first` on, `interactions` of them in all; `ordered` are
    its keys, ascending.
    """
    if interactions <= 0:
        return nan
    rank = percent * (interactions - 1) // 100
    for n in range(bisect_left(ordered, first), bisect_left(ordered, first + DURATION_BUCKETS)):
        rank -= counts[ordered[n]]
        if rank < 0:
            return duration_ms(ordered[n] - first)
    return nan
