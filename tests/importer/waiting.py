"""`python -m tests.importer.waiting`: how many late interactions wait, at most, to be fetched.

The figures of `docs/alerting.md`. Real HTTP and a real store; only the clock is ours.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from exporter.domain.counting import Counting
from exporter.domain.sweeps import Sweeps
from exporter.importer import Importer
from exporter.reconciler import Reconciler
from exporter.sources.kpiggybank import Kpiggybank
from exporter.stores.sqlite import SqliteStore
from fake_server import Crowd, FakeKpiggybank, Lateness
from tests.builders import fewer_segments

DAY, WEEK = timedelta(days=1), timedelta(days=7)
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
BEFORE, HISTORY = timedelta(days=60), timedelta(days=90)
"""So long before the first import users sign in, and so far back it reaches."""

SOME_LATE, MOST_LATE = (
    Lateness(share=share, least=timedelta(hours=1), most=timedelta(days=most))
    for share, most in ((0.2, 30), (0.6, 60))
)
LAST_ONLY = Sweeps(after=(timedelta(days=64),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """The most that was missing: in days' worth, as a share of the source, and of a week's imports.

    The last is what `KpiInteractionsMissing` looks at, from a week after the first import on.
    """

    days_worth: float
    of_source: float
    of_week: float


def waiting(
    directory: Path,
    *,
    lateness: Lateness,
    sweeps: Sweeps = Sweeps(),  # noqa: B008 -- a value
    per_day: float = 300,
    days: int = 200,
    every: timedelta = timedelta(hours=6),
) -> Waiting:
    """Let users sign in, import at each interval, and look at what is missing after each."""
    begin = SINCE + BEFORE
    end = begin + days * DAY
    plans = Crowd(seed=3, per_day=per_day, lateness=lateness).plans(SINCE, end)
    arriving = sorted(plans, key=lambda plan: plan.arrives_ms)
    counting = Counting(fewer_segments())
    missing: list[tuple[float, float, float]] = []
    imported = [0]
    with FakeKpiggybank() as bank:
        source = Kpiggybank(bank.url, timeout=timedelta(seconds=30), headers={})
        store = SqliteStore(directory / "kpi.db")
        store.count_under(counting)
        reconciler = Reconciler(
            Importer(source, store, history=HISTORY),
            source,
            store,
            history=HISTORY,
            retention=timedelta(days=400),
            sweeps=sweeps,
        )
        came = 0
        for n in range((end - begin) // every):
            now = begin + n * every
            first = came
            while came < len(arriving) and arriving[came].arrives_ms <= now.timestamp() * 1000:
                came += 1
            bank.fill(arriving[first:came])
            new = sum(one.added.imported for one in reconciler.import_all(counting, now))
            imported.append(imported[-1] + (new if n else 0))
            balance = reconciler.balance()
            assert balance.source is not None
            assert balance.missing is not None
            if now - begin >= WEEK:
                week = imported[-1] - imported[-1 - WEEK // every]
                missing.append(
                    (
                        balance.missing / per_day,
                        balance.missing / balance.source,
                        balance.missing / week,
                    )
                )
        store.close()
    days_worth, of_source, of_week = map(max, zip(*missing, strict=True))
    return Waiting(days_worth=days_worth, of_source=of_source, of_week=of_week)


def main() -> None:
    """Measure and print; takes minutes."""
    console = Console(width=160, highlight=False, markup=False)
    for lateness in (SOME_LATE, MOST_LATE):
        for sweeps in (Sweeps(), LAST_ONLY):
            with TemporaryDirectory() as directory:
                found = waiting(Path(directory), lateness=lateness, sweeps=sweeps)
            ages = ", ".join(f"{age / DAY:g}d" for age in sweeps.after)
            name = f"{lateness.share:.0%} late by up to {lateness.most.days} days, [{ages}]"
            console.print(f"{name}: {found}")


if __name__ == "__main__":
    main()
