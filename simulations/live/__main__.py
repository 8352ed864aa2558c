"""A past that is backfilled, then an exporter that lives on from it: what the rules say meanwhile.

    python -m simulations.live --per-day 2000 --kind broken --minutes 30
    python -m simulations.live --per-day 2000 --late 0.6 --every 60 --days 14

The first asks how long a failure of all sign-ins takes to be an alert, the second whether late data
makes a false one. Imports, snapshots, scrapes and Prometheus are real; only the clock is ours.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from exporter.config import load
from exporter.daemon.jobs import Jobs
from exporter.wiring import open_store
from fake_server import Arrivals, Crowd, FakeKpiggybank, Incident, Lateness
from simulations.live.scrapes import HISTORY, backfilled, scraped
from simulations.programs import program
from simulations.year.replay import BEHIND, Replay
from testing.exporter_process import write_config
from testing.rulebook import Rule, alerts

WEEK = timedelta(weeks=1)
BEGIN = datetime(2026, 9, 1, tzinfo=UTC)
"""Of the exporter's life: a Tuesday."""
BEFORE, AFTER = timedelta(hours=3), timedelta(hours=2)
"""So long around a failure, and a week before it, imports are made at their pace."""
SEEN_LATE = timedelta(days=60)


def main() -> None:
    """Simulate, replay and print."""
    parser = argparse.ArgumentParser(description="Let an exporter live, and ask the rules.")
    parser.add_argument("--per-day", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--late", type=float, default=0.2, help="share of what comes late")
    parser.add_argument("--every", type=int, default=5, help="minutes between imports")
    parser.add_argument("--days", type=int, default=8)
    parser.add_argument("--kind", help="of the failure; as pydoc fake_server.incidents says")
    parser.add_argument("--at", default="14:10", help="when it begins, on the last day")
    parser.add_argument("--minutes", type=int, default=30, help="how long it lasts")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        _live(Path(directory), options)


def _live(directory: Path, options: argparse.Namespace) -> None:
    every = timedelta(minutes=options.every)
    end = BEGIN + timedelta(days=options.days)
    failure = _failure(options, end - timedelta(days=1))
    crowd = Crowd(
        seed=options.seed,
        per_day=options.per_day,
        lateness=Lateness(share=options.late),
        incidents=() if failure is None else (failure,),
    )
    moments = list(_moments(every, end, failure))
    asked = (BEGIN, end) if failure is None else (failure.start - BEFORE, failure.end + AFTER)
    replay = Replay(
        prometheus=program("prometheus"),
        promtool=program("promtool"),
        directory=directory,
        start=asked[0],
        end=asked[1],
        step_seconds=3600 if failure is None else 60,
        stored={BEHIND},
    )
    clock = [BEGIN]
    with FakeKpiggybank(arrivals=None) as bank:
        arrivals = Arrivals(crowd, BEGIN - HISTORY - SEEN_LATE)
        config = write_config(
            directory / "config.yml",
            bank.url,
            retention="400d",
            **{"import": {"every": f"{options.every}m", "history": "90d"}},
        )
        configuration = load(config, {})
        jobs = Jobs(configuration, open_store(configuration.store), now=lambda: clock[0])

        def life() -> Iterator[bytes]:
            for moment in moments:
                clock[0] = moment
                bank.fill(arrivals.until(moment))
                jobs.import_now()
                if moment == BEGIN:
                    yield from backfilled(config, BEGIN)
                yield from scraped(jobs.exposition, moment)

        replay.add(life())
        jobs.stop()
        jobs.close(60)
    replay.record()
    with replay.asking() as asking:
        for alert in alerts():
            for labels, seconds in asking.seconds(alert.expr):
                _print(alert, labels, seconds, replay.step_seconds, failure)


def _failure(options: argparse.Namespace, day: datetime) -> Incident | None:
    if options.kind is None:
        return None
    hour, minute = map(int, options.at.split(":"))
    start = day + timedelta(hours=hour, minutes=minute)
    end = start + timedelta(minutes=options.minutes)
    return Incident(kind=options.kind, start=start, end=end)


def _moments(every: timedelta, end: datetime, failure: Incident | None) -> Iterator[datetime]:
    """When it is imported: where that is not looked at, once an hour will do."""
    moment = BEGIN
    while moment < end:
        yield moment
        near = failure is not None and any(
            failure.start - BEFORE - past <= moment < failure.end + AFTER - past
            for past in (WEEK, timedelta())
        )
        moment += every if near or failure is None else max(every, timedelta(hours=1))


def _print(
    alert: Rule,
    labels: dict[str, str],
    seconds: Sequence[int],
    step: int,
    failure: Incident | None,
) -> None:
    """Print when it begins to fire: after it was true for as long as `for` asks."""
    wait = _seconds(alert.raw["for"])
    firing, since = 0, seconds[0] if seconds else 0
    first = None
    for before, now in pairwise(seconds):
        since = since if now - before == step else now
        if now - since >= wait:
            firing += 1
            first = first or now
    if first is None:
        return
    at = datetime.fromtimestamp(first, UTC)
    after = "" if failure is None else f", {(at - failure.start) // timedelta(minutes=1)} min after"
    which = " ".join(labels[each] for each in ("window", "ratio", "lacks") if each in labels)
    sys.stdout.write(f"{at:%m-%d %H:%M}{after}: {alert.name} {which}, {firing} of {step} s\n")
    sys.stdout.flush()


def _seconds(text: str) -> int:
    return int(text[:-1]) * {"m": 60, "h": 3600, "d": 86400}[text[-1]]


if __name__ == "__main__":
    main()
