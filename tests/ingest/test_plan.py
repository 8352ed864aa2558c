"""The plan itself: tables of what it decides, and ninety days of it."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import msgspec
import pytest

from exporter.ingest import plan
from exporter.ingest.plan import Counts, Cover, Ledger, Pass, Plan
from exporter.ingest.sweeps import Sweeps
from tests.ingest.late_world import DAY, HOUR, MINUTE, NOW, PureWorld, hours_to_visible

SWEEPS = Sweeps()
OLDEST = NOW - 30 * DAY
KNOWN = Ledger(first=OLDEST, asked=NOW - 5 * MINUTE, swept=NOW - HOUR, surplus=0)


def planned(ledger: Ledger, before: int | None, after: int | None, accounted: int) -> Plan:
    """The plan after an import that brought nothing new."""
    counts = Counts(
        source_before=before, accounted_before=accounted, source=after, accounted=accounted
    )
    return plan.planned(ledger, counts, NOW, sweeps=SWEEPS, retention=400 * DAY)


# What is fetched again


@pytest.mark.parametrize(
    ("ledger", "before", "after", "accounted", "fetches"),
    [
        (KNOWN, 100, 100, 100, False),  # nothing is missing
        (KNOWN, 101, 101, 100, True),  # something is
        (KNOWN, 100, 103, 100, False),  # came while the import ran: on its way
        (replace(KNOWN, surplus=1), 101, 101, 100, False),  # it is out of reach
        (replace(KNOWN, surplus=-7), 93, 93, 100, False),  # the source deleted some
        (replace(KNOWN, covered=NOW - 29 * MINUTE), 101, 101, 100, False),  # not so soon again
        (replace(KNOWN, covered=NOW - 30 * MINUTE), 101, 101, 100, True),
        (replace(KNOWN, doubted=NOW), 100, 100, 100, True),  # late rows may hide
        (replace(KNOWN, swept=NOW - 90 * DAY), 100, 100, 100, True),  # counts do not tell of all
        (replace(KNOWN, swept=NOW - 89 * DAY), 100, 100, 100, False),
        # What was found by a count is checked a day later, once.
        (replace(KNOWN, swept=NOW - DAY, doubted=NOW - DAY), 100, 100, 100, True),
        (replace(KNOWN, swept=NOW - 23 * HOUR, doubted=NOW - 23 * HOUR), 100, 100, 100, False),
        (replace(KNOWN, swept=NOW - HOUR, doubted=NOW - 2 * DAY), 100, 100, 100, False),
    ],
)
def test_what_the_counts_mean(
    ledger: Ledger, before: int, after: int, accounted: int, *, fetches: bool
) -> None:
    assert bool(planned(ledger, before, after, accounted).ranges) == fetches


def test_the_past_is_fetched_in_tiers_that_lie_side_by_side_the_youngest_first() -> None:
    ranges = planned(KNOWN, 101, 101, 100).ranges

    assert ranges[0].end == NOW
    assert ranges[-1].start == OLDEST
    assert all(older.end == younger.start for younger, older in pairwise(ranges))
    assert len(ranges) == 5  # up to 6h, 1d, 4d, 16d, and the rest of these 30 days


def test_what_the_retention_dropped_is_not_fetched() -> None:
    counts = Counts(source_before=101, accounted_before=100, source=101, accounted=100)
    short = plan.planned(KNOWN, counts, NOW, sweeps=SWEEPS, retention=2 * DAY)

    assert short.ranges[-1].start == NOW - 2 * DAY


def test_a_pass_goes_on_where_it_was_and_a_young_tier_begins_again() -> None:
    began = NOW - 40 * MINUTE
    ledger = planned(replace(KNOWN, asked=began), 101, 101, 100).ledger
    ledger = replace(
        ledger,
        passes={age: replace(one, began=began) for age, one in ledger.passes.items()},
    )
    (youngest, *_, oldest) = sorted(ledger.passes)
    ledger = plan.fetched(ledger, youngest, ledger.passes[youngest].bottom)
    ledger = plan.fetched(ledger, oldest, NOW - 20 * DAY)

    again = planned(ledger, 101, 101, 100)

    assert again.ranges[0].end == NOW
    assert again.ranges[-1].end == NOW - 20 * DAY


def test_going_on_stops_when_nothing_is_missing() -> None:
    under_way = planned(KNOWN, 101, 101, 100).ledger

    assert planned(under_way, 101, 101, 101).ranges == ()
    assert planned(under_way, 101, 101, 101).ledger.cover is None


# What a cover shows

CURRENT = replace(
    KNOWN,
    cover=Cover(began=NOW - HOUR, count=100),
    passes={60: Pass(began=NOW - HOUR, at=OLDEST, bottom=OLDEST)},
)


@pytest.mark.parametrize(
    ("count", "news", "source", "accounted", "surplus"),
    [
        (100, 0, 100, 97, 3),  # three are in no range
        (100, 0, 102, 97, 3),  # two came behind the cover: missing, not out of reach
        (100, 5, 105, 102, 3),  # what imports of new rows brought is not counted twice
        (100, 0, 102, 102, 0),  # two came during it, and were found
        (90, 0, 90, 97, -7),  # the source deleted seven
        (100, 0, None, 97, 3),
    ],
)
def test_what_is_not_here_after_a_cover_is_out_of_reach(
    count: int, news: int, source: int | None, accounted: int, surplus: int
) -> None:
    ledger = replace(
        CURRENT, surplus=0 if surplus >= 0 else 3, cover=Cover(began=NOW, count=count, news=news)
    )
    doubted = replace(ledger, swept=NOW - 2 * HOUR, doubted=NOW - HOUR)

    assert plan.is_covered(ledger)
    assert plan.concluded(ledger, source, accounted, NOW).surplus == surplus
    assert not plan.concluded(doubted, source, accounted, NOW).in_doubt


def test_counts_that_contradict_each_other_decide_nothing() -> None:
    ledger = replace(CURRENT, cover=Cover(began=NOW - HOUR, count=1_100))

    assert plan.concluded(ledger, 100, 100, NOW).in_doubt


def test_a_lower_count_is_believed_when_it_comes_twice_and_then_doubted() -> None:
    once = planned(KNOWN, 95, 95, 100).ledger
    twice = planned(once, 95, 95, 100)

    assert (once.surplus, once.in_doubt) == (0, False)
    assert (twice.ledger.surplus, twice.ledger.in_doubt) == (-5, True)
    assert twice.ranges


# Counting is not possible


@pytest.mark.parametrize(
    ("surplus", "unable", "count", "may"),
    [
        (0, None, 7, True),
        (None, None, None, True),  # it never could
        (0, None, None, False),  # it could
        (0, NOW - 23 * HOUR, None, False),
        (0, NOW - DAY, None, True),  # it is another backend now
    ],
)
def test_a_source_that_could_count_and_cannot_is_left_alone(
    surplus: int | None, unable: datetime | None, count: int | None, *, may: bool
) -> None:
    ledger, may_fetch = plan.counted(replace(KNOWN, surplus=surplus, unable=unable), count, NOW)

    assert may_fetch == may
    assert count is None or ledger.unable is None


def test_where_it_cannot_count_the_clock_says_what_to_fetch() -> None:
    ledger = replace(KNOWN, surplus=None)
    first = planned(ledger, None, None, 100)
    assert first.ranges == ()  # the import has just fetched everything

    hours = plan.opened(first.ledger, NOW + HOUR, 30 * DAY)
    counts = Counts(source_before=None, accounted_before=100, source=None, accounted=100)
    later = plan.planned(hours, counts, NOW + HOUR, sweeps=SWEEPS, retention=400 * DAY)
    assert [one.end - one.start for one in later.ranges] == [pytest.approx(DAY, abs=2 * HOUR)]


# What earlier versions wrote


def test_a_ledger_of_0_1_0_is_read_and_its_doubt_kept() -> None:
    text = (
        '{"first":"2025-12-02T00:00:00Z","asked":"2026-01-01T00:00:00Z",'
        '"swept":"2025-12-31T00:00:00Z","surplus":3,"fell_to":null,"doubtful":true,'
        '"doubted":"1970-01-01T00:00:00Z","looked":{"21600":"2025-12-31T17:55:00Z"},'
        '"sweep":{"began":"2025-12-31T00:00:00Z","at":"2025-12-05T00:00:00Z",'
        '"until":"2025-12-31T00:00:00Z","count":5,"surplus":3,"news":0},"tiers":{},'
        '"strays":"2025-12-31T00:00:00Z"}'
    )
    ledger = plan.opened(msgspec.json.decode(text, type=Ledger), NOW, 30 * DAY)

    assert ledger.surplus == 3
    assert ledger.in_doubt


# How long it may take


@pytest.mark.parametrize(
    ("since", "seconds"),
    [(5 * MINUTE, 30), (MINUTE, 6), (DAY, 120), (timedelta(seconds=1), 1), (-HOUR, 120)],
)
def test_an_import_fetches_again_for_a_tenth_of_the_time_since_the_last(
    since: timedelta, seconds: float
) -> None:
    ledger = replace(KNOWN, asked=NOW - since)

    assert plan.budget_seconds(ledger, NOW, SWEEPS) == pytest.approx(seconds)


# Ninety days


@pytest.mark.parametrize("days_late", [0.1, 1, 10, 20, 70])
def test_of_a_small_source_late_rows_are_in_within_the_hour(days_late: float) -> None:
    world = PureWorld(rows=100_000, days=90)

    assert hours_to_visible(world, days_late) <= 1


@pytest.mark.parametrize("days_late", [1, 10, 20, 70])
def test_of_five_million_rows_late_ones_are_in_within_a_day(days_late: float) -> None:
    world = PureWorld(rows=5_000_000, days=90)

    assert hours_to_visible(world, days_late) <= 24


@pytest.mark.parametrize(("rows", "days"), [(100_000, 90), (5_000_000, 3)])
def test_the_source_is_busy_with_it_for_a_tenth_of_the_time_at_most(rows: int, days: int) -> None:
    world = PureWorld(rows=rows, days=90, late_share=0.2)
    busy = world.live(days * DAY)

    assert 0 < busy <= 0.11
    assert world.longest_wait <= (HOUR if rows == 100_000 else DAY)


def test_rows_in_no_range_keep_it_busy_once() -> None:
    world = PureWorld(rows=100_000, days=90)
    world.out_of_reach = 50
    world.live(3 * DAY)
    assert world.missing == 0

    assert world.live(30 * DAY) == 0
