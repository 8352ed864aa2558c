"""Many years, quiet or with incidents and odd days: what is found, how many pages are false.

    python -m simulations.year.second_hand --per-day 200 --years 24
    python -m simulations.year.second_hand --per-day 200 --years 8 --incidents --odd-days

The statistics of prometheus/rules/kpis.yml a second time, in numpy and straight from the simulated
users' truth, because a hundred years in a real Prometheus would take a week.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from fake_server.crowd import Crowd
from fake_server.incidents import Incident
from fake_server.journeys import BY_NAME
from fake_server.truth import Truth
from simulations.year.incidents import BEGIN, END, FIRST, ODD_DAYS, TROUBLES, Trouble
from simulations.year.pages import Firing, false_pages, finding

Hourly = NDArray[np.float64]
When = NDArray[np.bool_]

BUDGET, LOOKS_A_DAY = 1, 6
MARGIN, DAILY_STDDEV, FEWER, CROWD = 0.05, 0.01, 0.5, 3
WEEK = 168
HOURS = (END - FIRST) // timedelta(hours=1)
NEW_USER_OUTCOMES = ("bounce", "fail", "idp", "fallback")


def counted(
    per_day: int, seed: int, troubles: Sequence[Trouble]
) -> tuple[dict[str, tuple[Hourly, Hourly]], Hourly]:
    """Failures and trials of every ratio that is watched, and attempts, hour by hour."""
    crowd = Crowd(seed=seed, per_day=per_day, incidents=tuple(map(_incident, troubles)))
    first = int(FIRST.timestamp()) // 3600
    counts: dict[tuple[str, str, str], Hourly] = {}
    for number in range(HOURS // 24):  # a year of 20,000 a day at once would be 10 GB
        day = FIRST + timedelta(days=number)
        truth = Truth(durations=False)
        truth.add(crowd.plans(day, day + timedelta(days=1)))
        for hour, by_segment in truth.hours.items():
            for segment, journeys in by_segment.items():
                for (name, _), n in journeys.items():
                    for what in _facts(name, total=segment == ("Total", "")):
                        key = (*segment, what)
                        counts.setdefault(key, np.zeros(HOURS))[hour - first] += n
    nothing = np.zeros(HOURS)
    ratios = {}
    for segment in {key[:2] for key in counts}:

        def of(*facts: str, segment: tuple[str, str] = segment) -> Hourly:
            return sum((counts.get((*segment, fact), nothing) for fact in facts), nothing)

        shown = of(*NEW_USER_OUTCOMES, "assertion")
        ratios[f"bounce {segment}"] = (of("bounce"), shown)
        ratios[f"abandonment {segment}"] = (of("bounce") - of("signed in"), shown)
        ratios[f"sign-in failure {segment}"] = (of("fail"), shown)
        ratios[f"new-user failure {segment}"] = (of("bounce", "fail"), of(*NEW_USER_OUTCOMES))
    steps = sorted(key[2] for key in counts if key[2].startswith("step "))
    for step in steps:
        start = next(each for each in steps if each.split()[1] == step.split()[1])
        if step != start and not step.endswith("error"):
            begun = counts["Total", "", start]
            ratios[step] = (begun, begun + counts["Total", "", step])
    return ratios, counts["Total", "", "attempt"]


def _incident(trouble: Trouble) -> Incident:
    segmentation, segment = trouble.segment or (None, None)
    return Incident(
        kind=trouble.kind,
        start=trouble.start,
        end=trouble.end,
        severity=trouble.severity,
        rising=trouble.rising,
        factor=trouble.factor,
        segmentation=segmentation,
        segment=segment,
    )


def _facts(journey: str, *, total: bool) -> Iterator[str]:
    taken = BY_NAME[journey]
    if taken.outcome:
        yield taken.outcome
        if taken.signed_in_bounce:
            yield "signed in"
    if total:
        yield "attempt"
        flows = (("progress", taken.progress), ("new", taken.new_user), ("reset", taken.reset))
        for flow, steps in (*flows, ("email", taken.add_email)):
            for step in steps:
                error = " error" if flow == "progress" and step == 3 else ""
                yield f"step {flow} {step}{error}"


def trailing(counts: Hourly, hours: int) -> Hourly:
    """Sums over the window that ends with each hour."""
    sums = np.concatenate([[0.0], np.cumsum(counts)])
    ends = np.arange(len(counts)) + 1
    found: Hourly = sums[ends] - sums[np.maximum(0, ends - hours)]
    return found


def weeks(counts: Hourly, steps: int = WEEK) -> Hourly:
    """The same hour of each of the four weeks before, NaN before there was one."""
    found = np.full((4, len(counts)), np.nan)
    for week in (1, 2, 3, 4):
        found[week - 1, week * steps :] = counts[: -week * steps]
    return found


def past(failures: Hourly, trials: Hourly, steps: int = WEEK) -> tuple[Hourly, Hourly]:
    """Failures and trials of the weeks that are not odd, added up, as the rules of that name."""
    k, n = weeks(failures, steps), weeks(trials, steps)
    n = np.where(n <= CROWD * _lower(n), n, 0)
    ratios = np.where(n > 0, k / n, np.nan)
    known = ~np.isnan(ratios)
    lowest = known & (np.argmin(np.where(known, ratios, np.inf), axis=0) == np.arange(4)[:, None])
    kept = known & ~(lowest & (known.sum(axis=0) > 1))
    order = np.sort(np.where(kept, ratios, -np.inf), axis=0)
    highest = kept & (np.argmax(np.where(kept, ratios, -np.inf), axis=0) == np.arange(4)[:, None])
    kept &= ~(highest & (order[-1] - order[-2] > MARGIN) & (kept.sum(axis=0) > 1))
    return np.where(kept, k, 0).sum(axis=0), np.where(kept, n, 0).sum(axis=0)


def _lower(trials: Hourly) -> Hourly:
    """Return the quantile 1/3 of the weeks that have any: of four the second lowest."""
    order = np.sort(np.where(trials > 0, trials, np.inf), axis=0)
    place = (np.isfinite(order).sum(axis=0) - 1) / 3
    below = np.maximum(np.floor(place), 0).astype(int)
    low, high = (
        np.take_along_axis(order, np.minimum(at, 3)[None], axis=0)[0] for at in (below, below + 1)
    )
    found: Hourly = np.where(place == below, low, low + (place - below) * (high - low))
    return found


def rising(failures: Hourly, trials: Hourly, hours: int, z: float, stddev: float) -> When:
    """As the rule of that name."""
    k1, n1 = trailing(failures, hours), trailing(trials, hours)
    k0, n0 = past(k1, n1)
    found: When = (score(k1, n1, k0, n0, stddev) > z) & (k1 / n1 - k0 / n0 > MARGIN)
    return found


def score(k1: Hourly, n1: Hourly, k0: Hourly, n0: Hourly, stddev: float) -> Hourly:
    """Compare `k1` of `n1` with the past's `k0` of `n0`, as the rule `zscore`."""

    def x_log_x(x: Hourly) -> Hourly:
        found: Hourly = x * np.log(x)
        return found

    cells = (k1 - 0.5, n1 - k1 + 0.5, k0 + 0.5, n0 - k0 - 0.5, n1 + n0)
    margins = (n1, n0, k1 + k0, n1 + n0 - k1 - k0)
    deviance = 2 * (sum(map(x_log_x, cells)) - sum(map(x_log_x, margins)))
    mean = (k1 + k0) / (n1 + n0)
    chance = mean * (1 - mean) * (1 / n1 + 1 / n0)
    found: Hourly = np.sqrt(deviance / (1 + 4 / 3 * stddev**2 / chance))
    return found


def measured_stddev(failures: Hourly, trials: Hourly) -> float:
    """Return how much days differ, as the rules measure it, at least `DAILY_STDDEV`."""
    k, n = (trailing(each, 24)[23::24] for each in (failures, trials))
    ratio = k / n
    weekly = np.quantile(np.abs(ratio[7:] - ratio[:-7]), 0.8) / 1.28
    variance = weekly**2 / 2 - np.mean(ratio * (1 - ratio) / n)
    return float(max(DAILY_STDDEV, np.sqrt(max(variance, 0.0))))


def fewer(attempts: Hourly, hours: int, z: float) -> When:
    """As `KpiSignInsFewer`."""
    now = trailing(attempts, hours)
    usual = np.sort(weeks(now), axis=0)[1]
    found: When = (now < FEWER * usual) & ((usual - now) / np.sqrt(2 * usual) > z)
    return found


def firings(
    ratios: Mapping[str, tuple[Hourly, Hourly]], attempts: Hourly, windows: Sequence[int]
) -> list[Firing]:
    """When which ratio, or the number of attempts, is an alert in the year."""
    p = BUDGET / (365 * LOOKS_A_DAY * len(ratios) * len(windows))
    z = NormalDist().inv_cdf(1 - p)
    lit: list[tuple[str, int, When]] = []
    with np.errstate(all="ignore"):
        days = {
            name.partition(" (")[0]: measured_stddev(failures, trials)
            for name, (failures, trials) in ratios.items()
            if name.endswith("('Total', '')")
        }
        for hours in windows:
            lit.append(("fewer", hours, fewer(attempts, hours, z)))
            for name, (failures, trials) in ratios.items():
                stddev = days.get(name.partition(" (")[0], DAILY_STDDEV)
                lit.append((name, hours, rising(failures, trials, hours, z, stddev)))
    first, year = (int(moment.timestamp()) // 3600 for moment in (FIRST, BEGIN))
    return [
        Firing(alert=name, window=f"{hours}h", hours=frozenset(seen))
        for name, hours, when in lit
        if (seen := [hour for hour in (np.flatnonzero(when) + first).tolist() if hour >= year])
    ]


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description="Count false pages, and incidents found.")
    parser.add_argument("--per-day", type=int, default=200)
    parser.add_argument("--years", type=int, default=4)
    parser.add_argument("--windows", type=int, nargs="+", default=[6, 24], metavar="HOURS")
    parser.add_argument("--incidents", action="store_true", help="those of the year")
    parser.add_argument("--odd-days", action="store_true", help="those of the year")
    options = parser.parse_args()
    incidents = TROUBLES if options.incidents else ()
    troubles = (*incidents, *ODD_DAYS) if options.odd_days else incidents
    for seed in range(1, options.years + 1):
        seen = firings(*counted(options.per_day, seed, troubles), options.windows)
        told = [f"{false_pages(seen, troubles)} false pages"]
        for trouble in troubles:
            found = finding(trouble, seen)
            told.append(f"{trouble.title}: {f'{found.hours} h' if found else '-'}")
        sys.stdout.write(f"seed {seed}: {'; '.join(told)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
