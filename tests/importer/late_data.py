"""Many interactions, most of them late: are the numbers right in the end, and at what price?

Real HTTP and a real store; only the clock is ours. Called by hand at full size.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic

from exporter.domain.counting import Counting
from exporter.domain.sweeps import Sweeps
from exporter.importer import Importer
from exporter.reconciler import Reconciler
from exporter.sources.kpiggybank import Kpiggybank
from exporter.stores.sqlite import SqliteStore
from fake_server import Crowd, FakeKpiggybank, Lateness
from tests.builders import persona
from tests.truth import days

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
LATENESS = Lateness(share=0.6, least=timedelta(hours=1), most=timedelta(days=60))
AT_LAST = timedelta(days=66)
"""So long after the last dialog everything has arrived and come of age."""

GENTLE = Sweeps(after=(timedelta(days=64),), everything=timedelta(days=36_500))
"""Each stretch is fetched again once, when nothing can come any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What came out: `right` if all counts are equal, `missing` as the exporter says."""

    stored: int
    imports: int
    fetched: int
    right: bool
    missing: int | None
    seconds: float

    @property
    def ratio(self) -> float:
        """Rows fetched from the source for each row that it holds."""
        return self.fetched / self.stored


def measure(directory: Path, *, rows: int, days_long: int, imports: int, sweeps: Sweeps) -> Figures:
    """Let users sign in for so many days, and import so many times until all have come in."""
    begun = monotonic()
    length = timedelta(days=days_long)
    crowd = Crowd(seed=7, per_day=rows / days_long, lateness=LATENESS)
    end = SINCE + length
    plans = crowd.plans(SINCE, end)
    arriving = sorted(plans, key=lambda plan: plan.arrives_ms)
    every = (length + AT_LAST) / imports
    counting = Counting(persona())
    history, retention = timedelta(days=30), timedelta(days=400)
    with FakeKpiggybank() as bank:
        source = Kpiggybank(bank.url, timeout=timedelta(seconds=30), headers={})
        store = SqliteStore(directory / "kpi.db")
        store.count_under(counting)
        reconciler = Reconciler(
            Importer(source, store, history=history),
            source,
            store,
            history=history,
            retention=retention,
            sweeps=sweeps,
        )
        came = 0
        for n in range(1, imports + 1):
            now = SINCE + n * every
            now_ms = int(now.timestamp() * 1000)
            first = came
            while came < len(arriving) and arriving[came].arrives_ms <= now_ms:
                came += 1
            bank.fill(arriving[first:came])
            for _ in reconciler.import_all(counting, now):
                pass
        return Figures(
            stored=bank.stored,
            imports=imports,
            fetched=bank.stats["rows"]["/wsapi/interaction_data"],
            right=days(store, counting) == bank.truth.days(),
            missing=reconciler.balance().missing,
            seconds=monotonic() - begun,
        )
