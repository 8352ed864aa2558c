"""Reconciling: late interactions are found by counting, then by fetching again where they may be.

A source gives its count of everything, but not of a range; so equal counts mean that nothing
is missing, and unequal ones that past stretches of time have to be fetched again. When each
is worth fetching again, and what cannot be reached at all, is `docs/explanation/late-data.md`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import msgspec

from exporter.domain.counting import Counting
from exporter.domain.sweeps import Sweeps
from exporter.domain.windows import EPOCH, hour_of
from exporter.importer import AHEAD, Importer, Progress
from exporter.ports import Balance, Source, Store

STRETCH = timedelta(hours=6)
_LEDGER = "reconciling"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What is known of past stretches, as the store remembers it.

    `first`: where the history begins; `complete`: as of when all of it was last known to be
    whole; `swept`: stretch (by number since 1970) -> when it was last fetched again;
    `pass_began` and `pass_count`: a sweep of everything that is under way (the first import
    is one) and the source's count at its beginning; `pass_ended`: when one last ended.
    `unreachable`: rows the source holds that lie before the history or that no range returns;
    `gone`: rows that are accounted for here and that the source holds no longer.
    """

    first: datetime
    complete: datetime = EPOCH
    swept: Mapping[int, datetime] = field(default_factory=dict)
    pass_began: datetime | None = None
    pass_count: int | None = None
    pass_ended: datetime = EPOCH
    unreachable: int = 0
    gone: int = 0


class Reconciler:
    """Keeps the ledger, and has stretches fetched again when they are due."""

    def __init__(
        self,
        importer: Importer,
        source: Source,
        store: Store,
        *,
        history: timedelta,
        sweeps: Sweeps,
    ) -> None:
        self._importer = importer
        self._source = source
        self._store = store
        self._history = history
        self._sweeps = sweeps

    def import_all(
        self,
        counting: Counting,
        now: datetime,
        *,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Iterator[Progress]:
        """Import what is new, then what came late. Raises `SourceError` and `StoreError`."""
        if self._read() is None:
            self._open(now)
        yield from self._importer.run(counting, now, stopped=stopped)
        if not stopped():
            yield from self._reconcile(counting, now, stopped)

    def _open(self, now: datetime) -> None:
        """Open the ledger: the first import, or else a sweep, is about to fetch everything."""
        first_import = self._importer.position() is None
        self._write(
            Ledger(
                first=now - self._history,
                complete=now if first_import else EPOCH,
                pass_began=now,
                pass_count=self._source.count(),
            )
        )

    def balance(self) -> Balance:
        """Count both sides. Raises `SourceError` and `StoreError`."""
        ledger = self._read()
        return Balance(
            source=self._source.count(),
            accounted_for=self._store.holdings().accounted_for,
            unreachable=0 if ledger is None else ledger.unreachable,
            gone=0 if ledger is None else ledger.gone,
        )

    def _reconcile(
        self, counting: Counting, now: datetime, stopped: Callable[[], bool]
    ) -> Iterator[Progress]:
        """Fetch again what is due, the newest first, until nothing is missing.

        Ends early when the run's rows are up.
        """
        ledger = self._read()
        if ledger is None:
            return
        balance = self.balance()
        if self._settled(ledger, balance, now):
            return
        ledger = self._with_pass(ledger, balance, now)
        rows = 0
        for stretch in self._due(ledger, now, counted=balance.source is not None):
            start = max(EPOCH + stretch * STRETCH, ledger.first)
            end = EPOCH + (stretch + 1) * STRETCH
            for progress in self._importer.fetch_again(counting, now, start, end, stopped=stopped):
                rows += sum(progress.added[:4])
                yield progress
            if stopped():
                return
            ledger = replace(ledger, swept={**ledger.swept, stretch: now})
            self._write(ledger)
            if self._settled(ledger, self.balance(), now) or rows >= self._sweeps.rows:
                return
        if ledger.pass_began is not None:
            yield from self._importer.fetch_strays(counting, now)
            self._end_pass(ledger, ledger.pass_began, counting, now)

    def _settled(self, ledger: Ledger, balance: Balance, now: datetime) -> bool:
        """If nothing is missing, every stretch is whole as of now without a look at any."""
        difference = balance.difference
        if difference is None or difference > 0:
            return False
        self._write(
            replace(
                ledger,
                complete=now,
                swept={},
                pass_began=None,
                pass_ended=now if ledger.pass_began else ledger.pass_ended,
                gone=ledger.gone - difference,
            )
        )
        return True

    def _with_pass(self, ledger: Ledger, balance: Balance, now: datetime) -> Ledger:
        """Begin a sweep of everything, if the time for one has come."""
        if (
            ledger.pass_began is not None
            or balance.source is None
            or now - ledger.pass_ended < self._sweeps.everything
        ):
            return ledger
        return replace(ledger, pass_began=now, pass_count=balance.source)

    def _end_pass(self, ledger: Ledger, began: datetime, counting: Counting, now: datetime) -> None:
        """Everything was fetched: what was there at the beginning and is not here is out of reach.

        What happened since then is here too and was not there; of that only what is certain
        is taken off, so that a late row is never taken for one out of reach.
        """
        unreachable = ledger.unreachable
        if ledger.pass_count is not None:
            after = self._store.total(hour_of(began) + 1, hour_of(now + AHEAD) + 1, ("",))
            since = sum(row.counts.get(counting.layout.attempts, 0) for row in after)
            before = self._store.holdings().accounted_for - since
            unreachable = max(unreachable, ledger.pass_count + ledger.gone - before)
        self._write(
            replace(
                ledger,
                complete=max(ledger.complete, began),
                pass_began=None,
                pass_ended=now,
                unreachable=unreachable,
            )
        )

    def _due(self, ledger: Ledger, now: datetime, *, counted: bool) -> Iterator[int]:
        """Give the stretches to fetch again, the newest first."""
        last = (now - EPOCH) // STRETCH - 1
        first = (ledger.first - EPOCH) // STRETCH
        for stretch in range(last, first - 1, -1):
            end = EPOCH + (stretch + 1) * STRETCH
            covered = max(ledger.swept.get(stretch, end), end, ledger.complete)
            if counted:
                due = any(covered < end + age <= now for age in self._sweeps.after)
                due = due or (ledger.pass_began is not None and covered < ledger.pass_began)
            else:
                tiers = (tier for tier in self._sweeps.uncounted if now - end <= tier.up_to)
                tier = next(tiers, None)
                due = tier is not None and now - covered >= tier.every
            if due:
                yield stretch

    def _read(self) -> Ledger | None:
        text = self._store.note(_LEDGER)
        return None if text is None else msgspec.json.decode(text, type=Ledger)

    def _write(self, ledger: Ledger) -> None:
        kept = {s: at for s, at in ledger.swept.items() if at > ledger.complete}
        text = msgspec.json.encode(replace(ledger, swept=kept)).decode()
        if text != self._store.note(_LEDGER):
            self._store.remember(_LEDGER, text)
