"""Users who sign in at a fake KPIggybank, and an importer of real parts; only the clock is ours."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from exporter.domain.counting import Counting
from exporter.domain.sweeps import Sweeps
from exporter.importer import Importer
from exporter.reconciler import Reconciler
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
        counting: Counting,
        history: timedelta,
        sweeps: Sweeps,
    ) -> None:
        self._bank = bank
        self._arriving = sorted(plans, key=lambda plan: plan.arrives_ms)
        self._came = 0
        self._counting = counting
        source = Kpiggybank(bank.url, timeout=timedelta(seconds=30), headers={})
        self.store = SqliteStore(directory / "kpi.db")
        self.store.count_under(counting)
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
        imported = self.reconciler.import_all(self._counting, now)
        return sum(one.added.imported for one in imported)
