"""Reconciling: carries out the plan for what came late, after each import of what is new."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import msgspec

from exporter import notes
from exporter.domain.classify.evaluator import Evaluator
from exporter.ingest import plan
from exporter.ingest.importer import Importer, Progress
from exporter.ingest.plan import Counts, Ledger, Plan
from exporter.ingest.sweeps import Sweeps
from exporter.ports import Balance, Source, SourceNotReadyError, Store


class Reconciler:
    """Imports what is new, then what came late; keeps the ledger.

    Nothing that `retention` has dropped is fetched again.
    """

    def __init__(
        self,
        importer: Importer,
        source: Source,
        store: Store,
        *,
        history: timedelta,
        retention: timedelta,
        sweeps: Sweeps,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._importer = importer
        self._source = source
        self._store = store
        self._history = history
        self._retention = retention
        self._sweeps = sweeps
        self._monotonic = monotonic

    def balance(self) -> Balance:
        """Count both sides. Raises `SourceError` and `StoreError`."""
        ledger = self._read()
        return Balance(
            source=self._source.count(),
            accounted_for=self._accounted_for(),
            surplus=None if ledger is None else ledger.surplus,
        )

    def import_all(
        self,
        evaluator: Evaluator,
        now: datetime,
        *,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Iterator[Progress]:
        """Import what is new, then what came late. Raises `SourceError` and `StoreError`."""
        before = self._read()
        ledger = plan.opened(before, now, self._history)
        first = self._importer.position() is None
        source_before, accounted_before = self._source.count(), self._accounted_for()
        ledger, may_fetch = plan.counted(ledger, source_before, now)
        self._write(ledger)
        if not may_fetch:
            raise SourceNotReadyError(
                "the source could say how many interactions it holds, and now cannot: what it"
                " counts with may be down. Nothing else is asked for until it counts again, or"
                f" could not for {plan.UNABLE.days} day"
            )
        yield from self._importer.run(evaluator, now, held=source_before, stopped=stopped)
        if stopped():
            return
        planned = plan.planned(
            ledger,
            Counts(
                source_before=source_before,
                accounted_before=accounted_before,
                source=self._source.count(),
                accounted=self._accounted_for(),
            ),
            now,
            sweeps=self._sweeps,
            retention=self._retention,
            first=first,
        )
        self._write(planned.ledger)
        seconds = plan.budget_seconds(before, now, self._sweeps)
        yield from self._fetch_again(planned, source_before, seconds, evaluator, now, stopped)

    def _fetch_again(
        self,
        planned: Plan,
        source_before: int | None,
        seconds: float,
        evaluator: Evaluator,
        now: datetime,
        stopped: Callable[[], bool],
    ) -> Iterator[Progress]:
        """Fetch what the plan says within the budget, while something is missing."""
        ledger = planned.ledger
        if planned.strays:
            ledger = replace(ledger, strays=now)
            self._write(ledger)
            yield from self._importer.fetch_strays(evaluator, now)
        ends = self._monotonic() + seconds
        rows_left = self._sweeps.rows
        for n, part in enumerate(planned.ranges):
            shares = len(planned.ranges) - n
            share_ends = self._monotonic() + (ends - self._monotonic()) / shares
            share_rows = rows_left / shares
            rows = 0
            for event in self._importer.fetch_again(evaluator, now, part.start, part.end):
                if isinstance(event, Progress):
                    rows += sum(event.added.counts.values())
                    yield event
                else:
                    ledger = plan.fetched(ledger, part.tier, event.start)
                    self._write(ledger)
                    if rows >= share_rows or self._monotonic() >= share_ends:
                        break
                    if self._has_enough(planned, ledger, source_before):
                        return
                if stopped():
                    return
            rows_left -= rows
        if plan.is_covered(ledger):
            yield from self._importer.fetch_strays(evaluator, now)
            source = self._source.count()
            self._write(plan.concluded(ledger, source, self._accounted_for(), now))

    def _has_enough(self, planned: Plan, ledger: Ledger, source_before: int | None) -> bool:
        return (
            not planned.whole
            and source_before is not None
            and plan.is_nothing_missing(ledger, source_before, self._accounted_for())
        )

    def _accounted_for(self) -> int:
        return self._store.stats().accounted_for

    def _read(self) -> Ledger | None:
        return notes.read_json(notes.LEDGER, self._store.note(notes.LEDGER), Ledger)

    def _write(self, ledger: Ledger) -> None:
        self._store.remember(notes.LEDGER, msgspec.json.encode(ledger).decode())
