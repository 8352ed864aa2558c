"""A simulated year with twelve incidents, through backfill and rules in a real Prometheus.

    python -m simulations.year --per-day 200

prints what stands in docs/alerting.md. It takes a quarter of an hour at 200 a day. At 20,000 there
are more users to simulate and to import, and some 10 GB of disk are needed.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from simulations.year.history import backfilled, what_rules_read
from simulations.year.incidents import BEGIN, END, FIRST, TROUBLES
from simulations.year.pages import (
    Firing,
    Found,
    false_pages,
    finding,
    pages,
    quiet_days,
    quiet_days_alarmed,
)
from simulations.year.replay import Question, Replay
from testing.rulebook import Rule, rules_of

PLAIN = {
    "bounce rate of 1d above 35%": 'kpi_bounce_ratio{window="1d"} > 0.35',
    "bounce rate of 6h above 35%": 'kpi_bounce_ratio{window="6h"} > 0.35',
    "any ratio of any segment 15 points above the past": (
        "job_window_ratio:kpi_failure_ratio:rise > 0.15"
        ' unless on (ratio) label_replace(vector(1), "ratio", "flow_step", "", "")'
    ),
}


def main() -> None:
    """Simulate, replay, and print."""
    parser = argparse.ArgumentParser(description="Simulate a year and count pages.")
    parser.add_argument("--per-day", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--directory", type=Path, help="kept; default: a temporary one")
    options = parser.parse_args()
    if options.directory:
        options.directory.mkdir(parents=True, exist_ok=True)
        _simulate(options.directory, options.per_day, options.seed)
    else:
        with tempfile.TemporaryDirectory() as directory:
            _simulate(Path(directory), options.per_day, options.seed)


def _simulate(directory: Path, per_day: int, seed: int) -> None:
    replay = Replay(
        prometheus=_program("prometheus"),
        promtool=_program("promtool"),
        directory=directory,
        start=FIRST,
        end=END,
    )
    replay.add(what_rules_read(backfilled(directory, per_day=per_day, seed=seed)))
    replay.record()
    with replay.asking() as asking:
        series = asking.value(
            'count(job_window_ratio:kpi_trials:sum{period="now"} or'
            ' job_window_duration:kpi_duration_interactions:max{period="now"})',
            BEGIN,
        )
        score = asking.value("global:kpi_false_alarm:zscore", BEGIN)
        _say(f"{per_day} a day, seed {seed}: {series:.0f} series, z {score:.2f}")
        firings = [each for rule in rules_of("alerts-sign-in") for each in _firings(asking, rule)]
        _print("rules", firings)
        _print("rules, 1d alone", [each for each in firings if each.window == "1d"])
        for title, expr in PLAIN.items():
            _print(f"plain: {title}", list(_hours(asking, title, expr)))


def _firings(asking: Question, rule: Rule) -> Iterator[Firing]:
    return _hours(asking, rule.name, rule.expr)


def _hours(asking: Question, name: str, expr: str) -> Iterator[Firing]:
    year = int(BEGIN.timestamp()) // 3600
    for labels, hours in asking.hours(expr):
        seen = frozenset(hour for hour in hours if hour >= year)
        if seen:
            yield Firing(alert=name, window=labels.get("window", ""), hours=seen)


def _print(title: str, firings: Sequence[Firing]) -> None:
    found = [finding(trouble, firings) for trouble in TROUBLES]
    known = sum(each is not None for each in found)
    alarmed, quiet = quiet_days_alarmed(firings, TROUBLES), quiet_days(TROUBLES)
    _say(
        f"\n{title}: {known} of {len(TROUBLES)} found, {len(pages(firings))} pages,"
        f" {false_pages(firings, TROUBLES)} false; {alarmed} of {quiet} quiet days alarmed"
    )
    for trouble, each in zip(TROUBLES, found, strict=True):
        _say(f"  {trouble.title:50} {_told(each)}")


def _told(found: Found | None) -> str:
    return "-" if found is None else f"{found.hours:3} h  {found.alert}"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _program(name: str) -> Path:
    found = shutil.which(name)
    if found is None:
        raise SystemExit(f"{name} is missing; as root: apt-get install prometheus")
    return Path(found)


if __name__ == "__main__":
    main()
