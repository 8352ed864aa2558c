"""How many independent looks a day a growing hour and a sliding half hour are as good as.

    python -m simulations.year.looks --per-day 2000 --years 100

One ratio of quiet years, looked at after each import, every five minutes, and compared with the six
hours of the weeks before. The number of pages, by chance alone, over the probability of a single
comparison is a number of independent looks.
"""

import argparse
import sys
from statistics import NormalDist

import numpy as np

from fake_server.crowd import BY_HOUR
from simulations.year.second_hand import DAILY_STDDEV, Hourly, When, past, score, trailing

STEPS_AN_HOUR = 12
DAY = 24 * STEPS_AN_HOUR
KEPT_STEPS = 6
"""For which an alert goes on firing."""
RATIO = 0.27
SCORES = (3.5, 3.8, 4.1, 4.4, 4.7)


def quiet(rng: np.random.Generator, per_day: int, swing: float) -> tuple[Hourly, Hourly]:
    """Return failures and trials of each step of 56 weeks."""
    of_day = np.repeat(BY_HOUR, STEPS_AN_HOUR)
    mean = np.tile(of_day / of_day.sum() * per_day, 56 * 7)
    trials = rng.poisson(mean)
    ratio = np.tile(RATIO + swing * np.cos(np.arange(DAY) * 2 * np.pi / DAY), 56 * 7)
    return rng.binomial(trials, ratio).astype(float), trials.astype(float)


def growing(counts: Hourly) -> Hourly:
    """Return what an hour has so far."""
    found: Hourly = counts.reshape(-1, STEPS_AN_HOUR).cumsum(axis=1).reshape(-1)
    return found


def pages(holds: When) -> int:
    """Return how many pages a condition makes that holds at these steps."""
    held = np.flatnonzero(holds)
    return int(held.size > 0) + int(np.count_nonzero(np.diff(held) > KEPT_STEPS))


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description="Count independent looks a day.")
    parser.add_argument("--per-day", type=int, default=2000)
    parser.add_argument("--years", type=int, default=100)
    parser.add_argument(
        "--swing", type=float, default=0, help="by how much the ratio differs over the day"
    )
    parser.add_argument("--margin", type=float, default=0, help="the least rise that counts")
    options = parser.parse_args()
    rng = np.random.default_rng(1)
    found = {name: np.zeros(len(SCORES), int) for name in ("1h", "30m", "both")}
    for _ in range(options.years):
        failures, trials = quiet(rng, options.per_day, options.swing)
        of_six = tuple(trailing(each, 6 * STEPS_AN_HOUR) for each in (failures, trials))
        holds: dict[str, list[When]] = {"1h": [], "30m": []}
        with np.errstate(all="ignore"):
            k0, n0 = past(of_six[0], of_six[1], steps=7 * DAY)
            for name, of in (("1h", growing), ("30m", lambda each: trailing(each, 6))):
                k1, n1 = of(failures), of(trials)
                reached = score(k1, n1, k0, n0, DAILY_STDDEV)
                rose = k1 / n1 - k0 / n0 > options.margin
                holds[name] = [((reached > z) & rose)[4 * 7 * DAY :] for z in SCORES]
        for n in range(len(SCORES)):
            for name in holds:
                found[name][n] += pages(holds[name][n])
            found["both"][n] += pages(holds["1h"][n] | holds["30m"][n])
    for name, counted in found.items():
        for z, number in zip(SCORES, counted, strict=True):
            looks = number / options.years / 364 / (1 - NormalDist().cdf(z))
            sys.stdout.write(f"{name:5} z {z}: {number:6} pages, {looks:5.1f} looks a day\n")


if __name__ == "__main__":
    main()
