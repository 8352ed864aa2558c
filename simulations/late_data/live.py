"""Users who sign in at a fake KPIggybank, and an importer of real parts; only the clock is ours."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from exporter.domain.classify.evaluator import Evaluator
from exporter.exchange import Client
from exporter.ingest.importer import Importer
from exporter.ingest.reconciler import Reconciler
from exporter.ingest.sweeps import Sweeps
from exporter.sources.kpiggybank import Kpiggybank
from exporter.stores.sqlite import SqliteStore
from fake_server import FakeKpiggybank, Plan


class Live:
    """What the plans say arrives in its time; each import takes what has."""

    def __init__(
        self,
        directory: Path,
        bank: FakeKpiggybank,
        plans: Iterable[Plan],
        *,
        evaluator: Evaluator,
        history: timedelta,
        sweeps: Sweeps,
    ) -> None:
        self._bank = bank
        self._arriving = sorted(plans, key=lambda plan: plan.arrives_ms)
        self._came = 0
        self._evaluator = evaluator
        source = Kpiggybank(bank.url, timeout=timedelta(seconds=30), client=Client())
        self.store = SqliteStore(directory / "kpi.db")
        self.store.use_definitions(evaluator)
        self.reconciler = Reconciler(
            Importer(source, self.store, history=history),
            source,
            self.store,
            history=history,
            retention=timedelta(days=400),
            sweeps=sweeps,
        )

    def import_at(self, now: datetime) -> int:
        """Let arrive what has by now, import, and count the interactions that were new."""
        now_ms = now.timestamp() * 1000
        first, arriving = self._came, self._arriving
        while self._came < len(arriving) and arriving[self._came].arrives_ms <= now_ms:
            self._came += 1
        self._bank.fill(arriving[first : self._came])
        imported = self.reconciler.import_all(self._evaluator, now)
        return sum(one.added.imported for one in imported)
