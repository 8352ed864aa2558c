"""`python -m simulations.late_data.waiting`: how many late interactions are waiting, at most.

The figures of `docs/alerting.md`. Real HTTP and a real store; only the clock is ours.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from exporter.config import load
from exporter.domain.classify.evaluator import Evaluator
from exporter.ingest.sweeps import Sweeps
from fake_server import Crowd, FakeKpiggybank, Lateness
from simulations.late_data.live import Live

DAY, WEEK = timedelta(days=1), timedelta(days=7)
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
BEFORE, HISTORY = timedelta(days=60), timedelta(days=90)
"""So long before the first import users sign in, and so far back it reaches."""

SOME_LATE, MOST_LATE = (
    Lateness(share=share, least=timedelta(hours=1), most=timedelta(days=most))
    for share, most in ((0.2, 30), (0.6, 60))
)
FEW_SEGMENTS = """\
data_server: {url: 'http://127.0.0.1/'}
segmentations: {EmailType: {field: email_type, segments: [IdP, Fallback]}}
"""


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
    per_day: float = 300,
    days: int = 200,
    every: timedelta = timedelta(hours=6),
) -> Waiting:
    """Let users sign in, import at each interval, and look at what is missing after each."""
    begin = SINCE + BEFORE
    end = begin + days * DAY
    plans = Crowd(seed=3, per_day=per_day, lateness=lateness).plans(SINCE, end)
    missing: list[tuple[float, float, float]] = []
    imported = [0]
    with FakeKpiggybank() as bank:
        evaluator = Evaluator(load(FEW_SEGMENTS, {}).definitions)
        live = Live(directory, bank, plans, evaluator=evaluator, history=HISTORY, sweeps=Sweeps())
        for n in range((end - begin) // every):
            now = begin + n * every
            new = live.import_at(now)
            imported.append(imported[-1] + (new if n else 0))
            balance = live.reconciler.balance()
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
        live.store.close()
    days_worth, of_source, of_week = map(max, zip(*missing, strict=True))
    return Waiting(days_worth=days_worth, of_source=of_source, of_week=of_week)


def main() -> None:
    """Measure and print; takes minutes."""
    console = Console(width=160, highlight=False, markup=False)
    for lateness in (SOME_LATE, MOST_LATE):
        with TemporaryDirectory() as directory:
            found = waiting(Path(directory), lateness=lateness)
        name = f"{lateness.share:.0%} late by up to {lateness.most.days} days"
        console.print(f"{name}: {found}")


if __name__ == "__main__":
    main()
