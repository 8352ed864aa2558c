"""Many interactions, most of them late: are the numbers right in the end, and at what price?

Real HTTP and a real store; only the clock is ours. Called by hand at full size.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic

from exporter.config import load
from exporter.domain.classify.evaluator import Evaluator
from exporter.ingest.sweeps import Sweeps
from fake_server import Crowd, FakeKpiggybank, Lateness
from simulations.late_data.live import Live
from testing.truth import days, right

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
LATENESS = Lateness(share=0.6, least=timedelta(hours=1), most=timedelta(days=60))
AT_LAST = timedelta(days=66)
"""So long after the last dialog everything has arrived and come of age."""


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


def measure(directory: Path, *, rows: int, days_long: int, imports: int) -> Figures:
    """Let users sign in for so many days, and import so many times until all have come in."""
    begun = monotonic()
    length = timedelta(days=days_long)
    crowd = Crowd(seed=7, per_day=rows / days_long, lateness=LATENESS)
    plans = crowd.plans(SINCE, SINCE + length)
    every = (length + AT_LAST) / imports
    evaluator = Evaluator(load("data_server: {url: 'http://127.0.0.1/'}", {}).definitions)
    with FakeKpiggybank() as bank:
        live = Live(
            directory, bank, plans, evaluator=evaluator, history=timedelta(days=30), sweeps=Sweeps()
        )
        for n in range(1, imports + 1):
            live.import_at(SINCE + n * every)
        return Figures(
            stored=bank.stored,
            imports=imports,
            fetched=bank.stats["rows"]["/wsapi/interaction_data"],
            right=days(live.store, evaluator) == right(bank.truth.days()),
            missing=live.reconciler.balance().missing,
            seconds=monotonic() - begun,
        )
