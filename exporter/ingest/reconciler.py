"""Reconciling: late interactions are found by counting, then by fetching again where they may be.

A source gives its count of everything, but not of a range; so equal counts mean that nothing
is missing, and unequal ones that past ranges of time have to be fetched again. When each
is worth fetching again, and what cannot be reached at all, is `docs/explanation/late-data.md`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TypeAlias

import msgspec

from exporter import notes
from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.windows import EPOCH, hour_of, start_of
from exporter.ingest.importer import BETWEEN_ROUNDED, Importer, Progress
from exporter.ingest.sweeps import Sweeps
from exporter.ports import Balance, Source, Store

STRAYS_EVERY = timedelta(days=1)
_SET_BACK = timedelta(hours=1)  # a clock that went back by more makes the ledger doubtful
_MOST_WAITS = 2  # for a source whose count falls every day, as it deletes what is old

_Range: TypeAlias = tuple[datetime, datetime, Callable[[datetime], None]]
"""What to fetch again, from and until, and how to note up to when it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """A range that is fetched again, the oldest first: `at` is how far it has come.

    `count`: what the source held just before it `began`, and `surplus` what was believed then;
    `news`: how many rows other imports have brought since.
    """

    began: datetime
    at: datetime
    until: datetime
    count: int = 0
    surplus: int | None = None
    news: int = 0

    @property
    def ended(self) -> bool:
        """Whether all of it was fetched again."""
        return self.at >= self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What is known of the past, as the store remembers it.

    `first`: where the history begins; `asked`: when the clock was last read.
    `surplus`: how many more rows the source holds than are accounted for here when nothing is
    missing: those out of reach, less those that it deleted; None until both sides were counted.
    `fell_to`: the surplus that the last count would mean if it was right, where that is a lower
    one. `doubtful`: whether late rows may be hidden in the surplus; `doubted`: when that was
    last found.
    `looked`: age in seconds -> up to when interactions were looked for again at that age.
    `sweep`: of all the history, under way; `swept`: when all was last known to be whole.
    `tiers`: age in seconds -> the sweep up to that age, where the source cannot count.
    `strays`: when those outside all ranges were last fetched.
    """

    first: datetime
    asked: datetime
    swept: datetime
    surplus: int | None = None
    fell_to: int | None = None
    doubtful: bool = False
    doubted: datetime = EPOCH
    looked: Mapping[int, datetime] = field(default_factory=dict)
    sweep: Sweep | None = None
    tiers: Mapping[int, Sweep] = field(default_factory=dict)
    strays: datetime = EPOCH

    def doubt(self, now: datetime) -> "Ledger":
        """Note that late rows may be hidden, as of now."""
        return replace(self, doubtful=True, doubted=now)

    def set_right(self, now: datetime) -> "Ledger":
        """Note the time; if the clock was set back, believe no later one."""
        if now >= self.asked:
            return replace(self, asked=now)
        went_back = self.asked - now
        return replace(
            self,
            asked=now,
            swept=min(self.swept, now),
            doubtful=self.doubtful or went_back > _SET_BACK,
            doubted=min(self.doubted, now),
            looked={age: min(at, _aged(now, age)) for age, at in self.looked.items()},
            sweep=None if self.sweep and self.sweep.began > now else self.sweep,
            tiers={age: one for age, one in self.tiers.items() if one.began <= now},
            strays=min(self.strays, now),
        )


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
    ) -> None:
        self._importer = importer
        self._source = source
        self._store = store
        self._history = history
        self._retention = retention
        self._sweeps = sweeps
        # The last look comes before the retention.
        oldest = max(retention - timedelta(days=1), timedelta(hours=1))
        self._ages = sorted({_seconds(min(age, oldest)) for age in sweeps.after})
        self._ledger = Ledger(first=EPOCH, asked=EPOCH, swept=EPOCH)  # until it is opened

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
        self._open(now)
        # Before the import: what comes meanwhile is news, not part of what a sweep has to find.
        count = self._source.count() if self._sweep_is_due(now) else None
        before = self._accounted_for()
        if count is not None and count - before < (self._ledger.surplus or 0):
            count = None  # it fell just now: wrong, or soon a doubt; no sweep begins on it
        yield from self._importer.run(evaluator, now, stopped=stopped)
        if stopped():
            return
        sweep = self._ledger.sweep
        if sweep is not None:
            news = sweep.news + self._accounted_for() - before
            self._change(sweep=replace(sweep, news=news))
        elif count is not None:
            begun = Sweep(
                began=now,
                at=self._oldest(now),
                until=now,
                count=count,
                surplus=self._ledger.surplus,
            )
            self._change(sweep=begun)
        yield from self._reconcile(evaluator, now, stopped)

    def _reconcile(
        self, evaluator: Evaluator, now: datetime, stopped: Callable[[], bool]
    ) -> Iterator[Progress]:
        """Fetch again what is due, until nothing is missing or the run's rows are up."""
        source = self._source.count()
        if self._ledger.surplus is None:
            yield from self._fetch_strays(evaluator, now)
            if source is not None:
                self._suppose(source, now)
        missing = source is not None and self._is_something_missing(source, now)
        if source is None or missing:
            yield from self._fetch_strays(evaluator, now)
        due = self._due(now, counted=source is not None, missing=missing)
        yield from self._fetch_due(due, source if missing else None, evaluator, now, stopped)
        sweep = self._ledger.sweep
        if source is not None and sweep is not None and sweep.ended:
            yield from self._importer.fetch_strays(evaluator, now)
            self._end_sweep(sweep, now)

    def _fetch_due(
        self,
        due: Iterable[_Range],
        source: int | None,
        evaluator: Evaluator,
        now: datetime,
        stopped: Callable[[], bool],
    ) -> Iterator[Progress]:
        """Fetch ranges again; with the source's count, of each only until nothing is missing."""
        rows = 0
        for start, end, note in due:
            for until, progress in self._importer.fetch_again(evaluator, now, start, end):
                if progress is not None:
                    rows += sum(progress.added[:4])
                    yield progress
                else:
                    note(until)
                    if rows >= self._sweeps.rows:
                        return
                    if self._is_nothing_left(source, now):
                        source = None
                        break
                if stopped():
                    return

    # What the counts mean

    def _suppose(self, source: int, now: datetime) -> None:
        """Take what is not here after the first import for out of reach; a sweep will tell."""
        surplus = source - self._accounted_for()
        self._change(surplus=surplus, doubtful=surplus != 0, swept=now)

    def _difference(self, source: int) -> int:
        return source - self._accounted_for() - (self._ledger.surplus or 0)

    def _is_something_missing(self, source: int, now: datetime) -> bool:
        """Weigh both sides; where late rows may be hidden, something is missing until it is not."""
        ledger = self._ledger
        difference = self._difference(source)
        if difference >= 0:
            self._change(fell_to=None)
        else:
            lower = source - self._accounted_for()
            if ledger.fell_to is None:  # believed if the next import finds it so again
                self._change(fell_to=lower)
            else:
                # Rows went at the source, and as many late ones may have come meanwhile.
                self._ledger = ledger.doubt(now)
                self._change(surplus=max(lower, ledger.fell_to), fell_to=None)
        if difference == 0 and not ledger.doubtful:
            self._everything_is_whole(now)
        return difference > 0 or self._ledger.doubtful

    def _is_nothing_left(self, source: int | None, now: datetime) -> bool:
        if source is None or self._ledger.doubtful or self._difference(source) > 0:
            return False
        counted = self._source.count()
        if counted is None or self._difference(counted) != 0:
            return False
        self._everything_is_whole(now)
        return True

    def _everything_is_whole(self, now: datetime) -> None:
        """Nothing is missing as of now: what is older need not be looked at for that."""
        self._change(looked={age: _aged(now, age) for age in self._ages})

    def _sweep_is_due(self, now: datetime) -> bool:
        """After a doubt, wait: a count that is wrong for hours must not decide the sweep, too."""
        ledger = self._ledger
        if ledger.sweep is not None or ledger.surplus is None:
            return False
        if ledger.doubtful:
            wait = self._sweeps.doubted
            calm = now - max(ledger.swept, ledger.doubted) >= wait
            return calm or now - ledger.swept >= wait * _MOST_WAITS
        return now - ledger.swept >= self._sweeps.everything

    def _end_sweep(self, sweep: Sweep, now: datetime) -> None:
        """Everything was fetched again: what was there before and is not here is out of reach.

        Late rows that came during the sweep are here and were not there; they make the lower
        bound too low, so that none is ever taken for one out of reach. A count that fell since
        the sweep began may be wrong, and nothing would tell for long: then another sweep will.
        """
        accounted_for = self._accounted_for()
        source = self._source.count()
        surplus = max(self._ledger.surplus or 0, sweep.count + sweep.news - accounted_for)
        if source is not None:
            surplus = min(surplus, source - accounted_for)
        fell = sweep.surplus is not None and surplus < sweep.surplus
        self._change(surplus=surplus, doubtful=fell, doubted=now, sweep=None, swept=now)

    # What to fetch again

    def _due(self, now: datetime, *, counted: bool, missing: bool) -> Iterator[_Range]:
        if not counted:
            yield from self._tiers(now)
            return
        if missing:
            yield from self._looks(now)
        sweep = self._ledger.sweep
        if sweep is not None:
            yield from self._rest(sweep, now, self._swept_until)

    def _looks(self, now: datetime) -> Iterator[_Range]:
        """Return what has come of age."""
        for age in self._ages:
            end = _aged(now, age)
            start = max(self._ledger.looked.get(age, end), self._oldest(now))
            if start < end:
                yield start, end, partial(self._looked_until, age)
            else:
                self._looked_until(age, end)

    def _rest(
        self, sweep: Sweep, now: datetime, note: Callable[[datetime], None]
    ) -> Iterator[_Range]:
        """Return what a sweep has still to go through."""
        start = max(sweep.at, self._oldest(now))
        if start < sweep.until:
            yield start, sweep.until, note
        else:
            note(sweep.until)

    def _looked_until(self, age: int, at: datetime) -> None:
        self._change(looked={**self._ledger.looked, age: at})

    def _swept_until(self, at: datetime) -> None:
        if self._ledger.sweep is not None:
            self._change(sweep=replace(self._ledger.sweep, at=at))

    def _tiers(self, now: datetime) -> Iterator[_Range]:
        """Return what is due by the clock alone, the youngest first."""
        younger = timedelta(0)
        for tier in sorted(self._sweeps.uncounted, key=lambda tier: tier.up_to):
            age = _seconds(tier.up_to)
            sweep = self._ledger.tiers.get(age)
            oldest = self._oldest(now)
            if sweep is None:  # the first import has just fetched it
                self._set_tier(age, Sweep(began=now, at=now, until=now))
            elif sweep.ended and now - sweep.began >= tier.every:
                start = max(oldest, now - tier.up_to) if tier.up_to < now - oldest else oldest
                self._set_tier(age, Sweep(began=now, at=start, until=now - younger))
            yield from self._rest(self._ledger.tiers[age], now, partial(self._tier_until, age))
            if tier.up_to >= now - oldest:
                return
            younger = tier.up_to

    def _set_tier(self, age: int, sweep: Sweep) -> None:
        self._change(tiers={**self._ledger.tiers, age: sweep})

    def _tier_until(self, age: int, at: datetime) -> None:
        sweep = self._ledger.tiers[age]
        self._set_tier(age, replace(sweep, at=at))

    def _fetch_strays(self, evaluator: Evaluator, now: datetime) -> Iterator[Progress]:
        if now - self._ledger.strays >= STRAYS_EVERY:
            yield from self._importer.fetch_strays(evaluator, now)
            self._change(strays=now)

    def _oldest(self, now: datetime) -> datetime:
        return max(self._ledger.first, now - self._retention)

    def _accounted_for(self) -> int:
        return self._store.stats().accounted_for

    # The ledger: read when an import begins, written when anything of it changes

    def _open(self, now: datetime) -> None:
        ledger = self._read() or Ledger(first=now - self._history, asked=now, swept=now)
        self._ledger = ledger.set_right(now)
        self._write()

    def _change(self, **changes: object) -> None:
        changed = replace(self._ledger, **changes)  # type: ignore[arg-type]
        if changed != self._ledger:
            self._ledger = changed
            self._write()

    def _read(self) -> Ledger | None:
        text = self._store.note(notes.LEDGER)
        return None if text is None else msgspec.json.decode(text, type=Ledger)

    def _write(self) -> None:
        self._store.remember(notes.LEDGER, msgspec.json.encode(self._ledger).decode())


def _seconds(age: timedelta) -> int:
    return int(age.total_seconds())


def _aged(now: datetime, age_seconds: int) -> datetime:
    """Return the newest bound that is of this age, between what clients round timestamps to."""
    return start_of(hour_of(now - timedelta(seconds=age_seconds))) - BETWEEN_ROUNDED
