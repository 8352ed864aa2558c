"""A simulated year with incidents and odd days, through backfill and rules in a real Prometheus.

    python -m simulations.year --per-day 200 --odd-days

prints what stands in docs/alerting.md. It takes a quarter of an hour at 200 a day. At 20,000 there
are more users to simulate and to import, and some 10 GB of disk are needed.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from simulations.programs import program
from simulations.year.history import backfilled, imported, in_a_cluster, what_rules_read
from simulations.year.incidents import BEGIN, END, FIRST, ODD_DAYS, TROUBLES, Trouble
from simulations.year.pages import (
    KEPT_HOURS,
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

WHICH = ("window", "ratio", "duration", "segmentation", "segment", "flow", "step")
"""Labels that tell one series of an alert from another."""


def main() -> None:
    """Simulate, replay, and print."""
    parser = argparse.ArgumentParser(description="Simulate a year and count pages.")
    parser.add_argument("--per-day", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--odd-days", action="store_true", help="bots, a campaign, holidays too")
    parser.add_argument("--quiet", action="store_true", help="no incident")
    parser.add_argument("--cluster", action="store_true", help="two replicas, and rollouts")
    parser.add_argument(
        "--directory", type=Path, help="kept, and what it holds used; default: a temporary one"
    )
    options = parser.parse_args()
    if options.directory:
        options.directory.mkdir(parents=True, exist_ok=True)
        _simulate(options.directory.resolve(), options)
    else:
        with tempfile.TemporaryDirectory() as directory:
            _simulate(Path(directory), options)


def _simulate(directory: Path, options: argparse.Namespace) -> None:
    replay = Replay(
        prometheus=program("prometheus"),
        promtool=program("promtool"),
        directory=directory,
        start=FIRST,
        end=END,
    )
    incidents = () if options.quiet else TROUBLES
    odd_days = ODD_DAYS if options.odd_days else ()
    troubles = (*incidents, *odd_days)
    imported(directory, per_day=options.per_day, seed=options.seed, troubles=troubles)

    def history() -> Iterator[bytes]:
        lines = what_rules_read(backfilled(directory), troubles)
        return in_a_cluster(lines) if options.cluster else lines

    replay.begin(history)
    replay.record()
    with replay.asking() as asking:
        series = asking.value(
            'count(job_window_ratio:kpi_trials:sum{period="now"} or'
            ' job_window_duration:kpi_duration_interactions:max{period="now"})',
            BEGIN,
        )
        score = asking.value("global:kpi_false_alarm:zscore", BEGIN)
        _say(f"{options.per_day} a day, seed {options.seed}: {series:.0f} series, z {score:.2f}")
        firings = [each for rule in rules_of("alerts-sign-in") for each in _firings(asking, rule)]
        _print("rules", firings, incidents, odd_days)
        _print_false(firings, troubles)
        alone = [each for each in firings if each.window == "1d"]
        _print("rules, 1d alone", alone, incidents, odd_days)
        for title, expr in PLAIN.items():
            _print(f"plain: {title}", list(_hours(asking, title, expr)), incidents, odd_days)


def _firings(asking: Question, rule: Rule) -> Iterator[Firing]:
    return _hours(asking, rule.name, rule.expr)


def _hours(asking: Question, name: str, expr: str) -> Iterator[Firing]:
    year = int(BEGIN.timestamp()) // 3600
    for labels, hours in asking.hours(expr):
        seen = frozenset(hour for hour in hours if hour >= year)
        if seen:
            of = [labels[label] for label in WHICH if label in labels]
            title = " ".join((name, *of))
            yield Firing(alert=name, window=labels.get("window", ""), title=title, hours=seen)


def _print(
    title: str, firings: Sequence[Firing], incidents: Sequence[Trouble], odd_days: Sequence[Trouble]
) -> None:
    troubles = (*incidents, *odd_days)
    known = sum(finding(trouble, firings) is not None for trouble in incidents)
    alarmed, quiet = quiet_days_alarmed(firings, troubles), quiet_days(troubles)
    _say(
        f"\n{title}: {known} of {len(incidents)} found, {len(pages(firings))} pages,"
        f" {false_pages(firings, troubles)} false; {alarmed} of {quiet} quiet days alarmed"
    )
    for trouble in troubles:
        _say(f"  {trouble.title:50} {_told(finding(trouble, firings))}")


def _print_false(firings: Sequence[Firing], troubles: Sequence[Trouble]) -> None:
    for each in firings:
        for first, last in pages([each]):
            if false_pages([each.between(first, last)], troubles):
                at = datetime.fromtimestamp(first * 3600, UTC)
                _say(
                    f"  false from {at:%Y-%m-%d %H:%M}, {last - first - KEPT_HOURS} h: {each.title}"
                )


def _told(found: Found | None) -> str:
    return "-" if found is None else f"{found.hours:3} h  {found.alert}"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
