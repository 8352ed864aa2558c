"""How soon a total failure is found: the table in docs/alerting.md.

    python -m simulations.year.total_failure

Simulated users, imported every five minutes; the rules answer for each minute, in a real
Prometheus. From one moment on all sign-ins fail, or nobody arrives: 16 times each, at four hours of
four days.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from fake_server.crowd import Crowd
from fake_server.incidents import Incident
from fake_server.journeys import OUTCOMES
from simulations.programs import program
from simulations.year.inlining import Inliner
from simulations.year.replay import Replay
from testing.rulebook import rules_of

PER_DAY: Final = (200, 2_000, 20_000)
SERIES: Final = 769
OF_AN_HOUR_OR_LESS: Final = 15
"""How many ratios and medians are watched with Persona's definitions and the default windows."""
BEGIN: Final = datetime(2026, 10, 5, tzinfo=UTC)
DAYS: Final = 4
HOURS: Final = (3, 10, 14, 20)
MINUTES: Final = (10, 20, 30, 40)
"""Past the hour; another one each day, so that each hour meets each."""
MINUTE, IMPORT_SECONDS, IMPORT_PHASE_SECONDS = 60, 300, 180
SIGNED_IN = len(OUTCOMES)
PROBABILITY = "global:kpi_false_alarm:probability"
ARRIVALS = "job_lookback:kpi_exporter_import_interactions:increase"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """What happens 16 times to so many users; one service for the rules."""

    per_day: int
    kind: str
    lasts: timedelta

    @property
    def job(self) -> str:
        return f"{self.per_day} {self.kind} {self.lasts // timedelta(minutes=1)}"


VARIANTS: Final = tuple(
    Variant(per_day=per_day, kind=kind, lasts=timedelta(minutes=minutes))
    for per_day in PER_DAY
    for kind, minutes in (("broken", 20), ("broken", 30), ("broken", 120), ("no_traffic", 120))
)


def beginnings() -> Iterator[datetime]:
    """Yield when each of the 16 begins."""
    for day in range(DAYS):
        for n, hour in enumerate(HOURS):
            minute = MINUTES[(day + n) % len(MINUTES)]
            yield BEGIN + timedelta(days=day, hours=hour, minutes=minute)


def samples(variant: Variant, seed: int) -> Iterator[bytes]:
    """Yield what is scraped of one service on the days of failures and those weeks before."""
    incidents = tuple(
        Incident(kind=variant.kind, start=start, end=start + variant.lasts)
        for start in beginnings()
    )
    for week in (4, 3, 2, 1, 0):
        first = BEGIN - timedelta(weeks=week)
        yield from _scraped(
            Crowd(seed=seed, per_day=variant.per_day, incidents=incidents),
            f'job="{variant.job}",instance="a"',
            first,
            step_seconds=MINUTE if week == 0 else IMPORT_SECONDS,
            nobody=variant.kind == "no_traffic",
        )


def _scraped(
    crowd: Crowd, target: str, first: datetime, *, step_seconds: int, nobody: bool
) -> Iterator[bytes]:
    """Yield samples of `DAYS` days; where nobody arrives, no late interaction does either."""
    begin = int(first.timestamp())
    end = begin + DAYS * 86_400
    away = [(one.start.timestamp(), one.end.timestamp()) for one in crowd.incidents if nobody]
    arrived: dict[tuple[int, int], list[float]] = {}
    known = []
    for plan in crowd.plans(first - timedelta(hours=8), first + timedelta(days=DAYS)):
        at = plan.arrives_ms / 1000
        if plan.journey.counted and not any(start <= at < end for start, end in away):
            known.append(at)
            if plan.journey.outcome:
                hour = plan.timestamp_ms // 3_600_000
                arrived.setdefault((hour, OUTCOMES.index(plan.journey.outcome)), []).append(at)
                if plan.journey.signed_in_bounce:
                    arrived.setdefault((hour, SIGNED_IN), []).append(at)
    counted = {key: np.sort(times) for key, times in arrived.items()}
    imported = np.sort(known)

    def count(moment: int, of: int, hour: int, hours: int) -> int:
        return sum(
            int(np.searchsorted(counted[hour - n, of], moment, side="right"))
            for n in range(hours)
            if (hour - n, of) in counted
        )

    def lines(name: str, labels: str, values: Sequence[float]) -> Iterator[bytes]:
        selector = f"{name}{{{target}{labels}}}"
        for at, value in zip(times, values, strict=True):
            yield f"{selector} {value} {at}\n".encode()

    times = range(begin, end, step_seconds)
    imports = [
        at - (at - IMPORT_PHASE_SECONDS) % IMPORT_SECONDS for at in times
    ]  # the last before each sample
    snapshots = [max(one, at - at % 3600) for one, at in zip(imports, times, strict=True)]
    both = list(zip(imports, snapshots, strict=True))
    for window, length in (("1h", 1), ("6h", 6)):
        for of, outcome in enumerate(OUTCOMES):
            yield from lines(
                "kpi_dialogs",
                f',window="{window}",outcome="{outcome}"',
                [count(one, of, snapshot // 3600, length) for one, snapshot in both],
            )
        yield from lines(
            "kpi_bounces_signed_in",
            f',window="{window}"',
            [count(one, SIGNED_IN, snapshot // 3600, length) for one, snapshot in both],
        )
    yield from lines("kpi_snapshot_timestamp_seconds", "", snapshots)
    yield from lines("kpi_exporter_import_last_success_timestamp_seconds", "", imports)
    yield from lines(
        "kpi_exporter_import_interactions_total",
        ',result="imported"',
        [int(np.searchsorted(imported, one, side="right")) for one in imports],
    )


def probability() -> Iterator[bytes]:
    """Yield what a comparison is held to where all that is watched is there."""
    p = 1 / (365 * (6 * SERIES + 90 * OF_AN_HOUR_OR_LESS))
    begin = int(BEGIN.timestamp())
    for at in range(begin, begin + DAYS * 86_400, MINUTE):
        yield f"{PROBABILITY} {p} {at}\n".encode()


def fired(seconds: Sequence[int], after_seconds: int) -> list[int]:
    """Return when an alert fires whose condition holds at these seconds, and has for so long."""
    found, since = [], None
    for before, at in pairwise((0, *seconds)):
        since = at if since is None or at - before > MINUTE else since
        if at - since == after_seconds:
            found.append(at)
    return found


def main() -> None:
    """Simulate, ask, and print."""
    parser = argparse.ArgumentParser(description="Measure how soon a total failure is found.")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        replay = Replay(
            prometheus=program("prometheus"),
            promtool=program("promtool"),
            directory=Path(directory),
            start=BEGIN,
            end=BEGIN + timedelta(days=DAYS),
            step_seconds=MINUTE,
        )
        replay.stored.add(PROBABILITY)

        def history() -> Iterator[bytes]:
            yield from probability()
            for variant in VARIANTS:
                yield from samples(variant, options.seed)

        replay.begin(history)
        replay.record()
        with replay.asking() as asking:
            stopped = Inliner(frozenset(replay.stored - {ARRIVALS}))
            firing: dict[tuple[str, str], list[int]] = {}
            for rule in rules_of("alerts-sign-in"):
                if rule.name in {"KpiSignInsFailing", "KpiSignInsStopped"}:
                    inliner = stopped if rule.name == "KpiSignInsStopped" else asking.inliner
                    for series in asking.server.stepwise(f"({inliner.expand(rule.expr)}) + 0"):
                        window = series.metric.get("window", "stopped")
                        seconds = [int(at) for at, _ in series.values]
                        minutes = int(rule.raw["for"].removesuffix("m"))
                        firing[series.metric["job"], window] = fired(seconds, minutes * MINUTE)
    for variant in VARIANTS:
        of_all: list[int] = []
        for window in ("1h", "30m", "stopped"):
            times = firing.get((variant.job, window), [])
            of_all += times
            sys.stdout.write(f"{variant.job:24} {window:8} {_words(_found(variant, times))}\n")
        sys.stdout.write(f"{variant.job:24} {'any':8} {_words(_found(variant, of_all))}\n")


def _found(variant: Variant, times: Sequence[int]) -> list[int | None]:
    """Return for each of the 16 the minutes from its beginning until the alert fires."""
    found: list[int | None] = []
    for start in beginnings():
        first = int(start.timestamp())
        last = first + int(variant.lasts.total_seconds()) + 30 * MINUTE
        found.append(
            min(((at - first) // MINUTE for at in times if first <= at <= last), default=None)
        )
    return found


def _words(found: Sequence[int | None]) -> str:
    each = " ".join("-" if one is None else str(one) for one in found)
    return f"{sum(one is not None for one in found):2} of {len(found)}: {each}"


if __name__ == "__main__":
    main()
