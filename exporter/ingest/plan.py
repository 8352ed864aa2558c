"""What to fetch again, decided: from what is known and the time to ranges and what to remember.

Pure; the reconciler carries it out. A source gives its count of everything, but not of a range.
So equal counts mean that nothing is missing, and while it holds more, the past is fetched again:
by tiers, each from its newest end to its oldest, as is done by the clock alone where a source
cannot count. `docs/explanation/late-data.md` says it for users.

A *cover* is one fetching of all the past, whatever the tiers in which it is done. What the source
held when it began and is not accounted for when it ends is out of reach: the *surplus*.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from exporter.domain.windows import EPOCH, hour_of, start_of
from exporter.ingest.ranges import BETWEEN_ROUNDED
from exporter.ingest.sweeps import Sweeps, Tier

AGAIN = timedelta(minutes=30)  # from the beginning of a cover, or pass, to that of the next
CONFIRMED = timedelta(days=1)  # after which what was found by a count that may be wrong is checked
UNABLE = timedelta(days=1)  # after which a source that could count is taken for one that cannot
STRAYS_EVERY = timedelta(days=1)
MOST_SECONDS = 120.0  # of one import, for fetching again
_LEAST_SECONDS = 1.0
_SET_BACK = timedelta(hours=1)  # a clock that went back by more makes the ledger doubtful


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """A fetching of one tier, the newest first; `at` is how far down it has come."""

    began: datetime
    at: datetime
    bottom: datetime

    @property
    def ended(self) -> bool:
        """Whether all of it was fetched."""
        return self.at <= self.bottom


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """A fetching of all the past, under way.

    `count`: what the source held just before it began; `news`: how many rows later imports of
    what is new have brought; `left`: the tiers that it has still to see.
    """

    began: datetime
    count: int
    news: int = 0
    left: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What is known of the past, as the store remembers it.

    `first`: where the history begins; `asked`: when the clock was last read.
    `surplus`: how many more rows the source holds than are accounted for here when nothing is
    missing: those out of reach, less those that it deleted; None until both sides were counted.
    `fell_to`: the surplus that the last count would mean if it was right, where that is a lower
    one. `swept`: when all was last known to be whole; `doubted`: when it was last found that late
    rows may hide in the surplus. `passes`: age in seconds -> the pass over the tier up to it.
    `covered`: when the last cover began. `strays`: when those outside all ranges were last
    fetched. `unable`: since when a source that could count cannot. `doubtful` is what earlier
    versions wrote in place of `doubted`.
    """

    first: datetime
    asked: datetime
    swept: datetime
    surplus: int | None = None
    fell_to: int | None = None
    doubted: datetime = EPOCH
    passes: Mapping[int, Pass] = field(default_factory=dict)
    cover: Cover | None = None
    covered: datetime = EPOCH
    strays: datetime = EPOCH
    unable: datetime | None = None
    doubtful: bool = False

    @property
    def in_doubt(self) -> bool:
        """Whether late rows may hide in the surplus."""
        return self.swept < self.doubted


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Both sides, before and after an import of what is new; None where the source cannot say."""

    source_before: int | None
    accounted_before: int
    source: int | None
    accounted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A range of time to fetch, from its end down; `tier` is whose it is."""

    tier: int
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to remember, and what to fetch: ranges in order, each for its share of the budget.

    `strays`: whether to fetch those that are in no range, too. `whole`: whether to go on when
    nothing is missing any more.
    """

    ledger: Ledger
    ranges: Sequence[Range] = ()
    strays: bool = False
    whole: bool = False


def opened(ledger: Ledger | None, now: datetime, history: timedelta) -> Ledger:
    """Return the ledger of this import; if the clock was set back, it believes no later time."""
    if ledger is None:
        return Ledger(first=now - history, asked=now, swept=now)
    if ledger.doubtful:
        ledger = replace(ledger, doubtful=False, doubted=now, swept=min(ledger.swept, EPOCH))
    if now >= ledger.asked:
        return replace(ledger, asked=now)
    back = ledger.asked - now > _SET_BACK and ledger.surplus is not None
    return replace(
        ledger,
        asked=now,
        swept=min(ledger.swept, EPOCH if back else now),
        doubted=now if back else min(ledger.doubted, now),
        passes={} if back else {age: one for age, one in ledger.passes.items() if one.began <= now},
        cover=None,
        covered=min(ledger.covered, now),
        strays=min(ledger.strays, now),
        unable=None,
    )


def budget_seconds(before: Ledger | None, now: datetime, sweeps: Sweeps) -> float:
    """Return how long an import may fetch again: a share of the time since the last one."""
    if before is None or now < before.asked:
        return MOST_SECONDS
    share = sweeps.share * (now - before.asked).total_seconds()
    return min(MOST_SECONDS, max(_LEAST_SECONDS, share))


def counted(ledger: Ledger, count: int | None, now: datetime) -> tuple[Ledger, bool]:
    """Return whether ranges may be asked for, by what the source answered when asked to count.

    One that could count and cannot is in trouble, which a range may make worse; but after a
    while it is taken for one that cannot count.
    """
    if count is not None or ledger.surplus is None:
        return replace(ledger, unable=None), True
    unable = ledger.unable or now
    return replace(ledger, unable=unable), now - unable >= UNABLE


def planned(
    ledger: Ledger,
    counts: Counts,
    now: datetime,
    *,
    sweeps: Sweeps,
    retention: timedelta,
    first: bool = False,
) -> Plan:
    """Decide, after an import of what is new; `first`: it fetched all of the history."""
    oldest = max(ledger.first, now - retention)
    if counts.source is None or counts.source_before is None:
        return _by_the_clock(ledger, now, oldest, sweeps)
    strays = ledger.surplus is None
    ledger = _weighed(ledger, counts, counts.source_before, counts.source, now, first=first)
    missing = not is_nothing_missing(ledger, counts.source_before, counts.accounted)
    whole = _is_whole_due(ledger, now, sweeps, missing=missing)
    waits = ledger.cover is None and now - ledger.covered < AGAIN
    if waits or not (missing or whole):
        return Plan(
            ledger=replace(ledger, passes={}, cover=None),
            strays=strays and _are_strays_due(ledger, now),
        )
    tiers = [*(Tier(up_to=age, every=AGAIN) for age in sweeps.after), Tier(every=AGAIN)]
    if ledger.cover is None:
        ledger = _passing(replace(ledger, passes={}), tiers, now, oldest, again=True)
        cover = Cover(began=now, count=counts.source_before, left=frozenset(ledger.passes))
        ledger = replace(ledger, cover=cover, covered=now)
    else:
        news = ledger.cover.news + counts.accounted - counts.accounted_before
        ledger = replace(ledger, cover=replace(ledger.cover, news=news))
        ledger = _passing(ledger, tiers, now, oldest, again=missing)
    return Plan(
        ledger=ledger,
        ranges=tuple(_ranges(ledger)),
        strays=_are_strays_due(ledger, now),
        whole=whole,
    )


def is_nothing_missing(ledger: Ledger, source_before: int, accounted: int) -> bool:
    """Return whether all that the source held before the import is accounted for.

    What came to it since then may be on its way, and is no reason to fetch the past again.
    """
    return source_before - accounted <= (ledger.surplus or 0)


def fetched(ledger: Ledger, tier: int, down_to: datetime) -> Ledger:
    """Return the plan that knows how far down a tier was fetched."""
    one = replace(ledger.passes[tier], at=down_to)
    cover = ledger.cover
    if cover is not None and one.ended:
        cover = replace(cover, left=cover.left - {tier})
    return replace(ledger, passes={**ledger.passes, tier: one}, cover=cover)


def is_covered(ledger: Ledger) -> bool:
    """Return whether all of the past was fetched since the cover began."""
    if ledger.cover is None:
        return False
    return all(tier in ledger.passes and ledger.passes[tier].ended for tier in ledger.cover.left)


def concluded(ledger: Ledger, source: int | None, accounted: int, now: datetime) -> Ledger:
    """Return the ledger after a cover: what was there before and is not here is out of reach.

    Late rows that came during it are here and were not there; they make the lower bound too low,
    so that none is ever taken for one out of reach. A count may be wrong, for hours at times: what
    it showed is checked by another cover a day later, and at once if counts contradict each other.
    """
    cover = ledger.cover
    if cover is None:
        return ledger
    lower = cover.count + cover.news - accounted
    upper = lower if source is None else source - accounted
    known = lower if ledger.in_doubt or ledger.surplus is None else max(ledger.surplus, lower)
    surplus = min(known, upper)
    ended = replace(ledger, surplus=surplus, cover=None)
    if lower > upper:
        return replace(ended, doubted=now)
    doubted = ledger.doubted if surplus == ledger.surplus else now
    return replace(ended, swept=now, doubted=doubted)


def _weighed(
    ledger: Ledger, counts: Counts, before: int, after: int, now: datetime, *, first: bool
) -> Ledger:
    """Return the ledger with what both counts mean for the surplus."""
    if ledger.surplus is None:
        # After the first import, what is not here is out of reach; a cover will tell.
        surplus = before - counts.accounted
        if first:
            return replace(
                ledger, surplus=surplus, swept=now, doubted=now if surplus else ledger.doubted
            )
        return replace(ledger, surplus=surplus, swept=min(ledger.swept, EPOCH), doubted=now)
    most = after - counts.accounted
    if most >= ledger.surplus:
        return replace(ledger, fell_to=None)
    if ledger.fell_to is None:  # believed if the next import finds it so again
        return replace(ledger, fell_to=most)
    # Rows went at the source, and as many late ones may have come meanwhile.
    return replace(ledger, surplus=max(most, ledger.fell_to), fell_to=None, doubted=now, cover=None)


def _is_whole_due(ledger: Ledger, now: datetime, sweeps: Sweeps, *, missing: bool) -> bool:
    """Return whether all is to be fetched again, also when nothing is missing any more."""
    checked = ledger.doubted + CONFIRMED
    return (
        ledger.in_doubt
        or (ledger.doubted > EPOCH and ledger.swept < checked <= now)
        or now - ledger.swept >= (CONFIRMED if missing else sweeps.everything)
    )


def _are_strays_due(ledger: Ledger, now: datetime) -> bool:
    return now - ledger.strays >= STRAYS_EVERY


def _by_the_clock(ledger: Ledger, now: datetime, oldest: datetime, sweeps: Sweeps) -> Plan:
    """Decide where the source cannot count."""
    known = {  # the first import has just fetched them
        _seconds(tier.up_to): Pass(began=now, at=oldest, bottom=oldest) for tier in sweeps.uncounted
    }
    ledger = replace(ledger, cover=None, passes={**known, **ledger.passes})
    ledger = _passing(ledger, sweeps.uncounted, now, oldest, again=True)
    return Plan(
        ledger=ledger,
        ranges=tuple(_ranges(ledger)),
        strays=_are_strays_due(ledger, now),
        whole=True,
    )


def _passing(
    ledger: Ledger, tiers: Sequence[Tier], now: datetime, oldest: datetime, *, again: bool
) -> Ledger:
    """Start the passes that are due; `again`: those that ended, too, at their intervals."""
    passes: dict[int, Pass] = {}
    top = now
    for tier in sorted(tiers, key=lambda tier: tier.up_to):
        age = _seconds(tier.up_to)
        last = tier.up_to >= now - oldest
        bottom = oldest if last else max(_aged(now, tier.up_to), oldest)
        one = ledger.passes.get(age)
        if one is None or (again and one.ended and now - one.began >= tier.every):
            one = Pass(began=now, at=top, bottom=bottom)
        passes[age] = replace(one, bottom=max(one.bottom, oldest))
        if last:
            break
        top = bottom
    return replace(ledger, passes=passes)


def _ranges(ledger: Ledger) -> Iterator[Range]:
    """Return what the passes have still to go through, the youngest first."""
    for age, one in sorted(ledger.passes.items()):
        if not one.ended:
            yield Range(tier=age, start=one.bottom, end=one.at)


def _seconds(age: timedelta) -> int:
    return int(age.total_seconds())


def _aged(now: datetime, age: timedelta) -> datetime:
    """Return the newest bound that is of this age, between what clients round timestamps to."""
    return start_of(hour_of(now - age)) - BETWEEN_ROUNDED
