"""`verify` finds every count that is wrong, none that is right, and can put them right."""

import sqlite3
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from exporter.commands.main import main
from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.interaction import StoredInteraction
from exporter.domain.outcome import Outcome
from exporter.domain.tally import Key, Tally, merge
from exporter.domain.windows import hour_of
from exporter.maintenance.verify import LOOKS, Verification
from exporter.stores.sqlite import SqliteStore
from testing.exporter_process import write_config
from tests.builders import BOUNCE, FEWER_SEGMENTS, batch, crowd, fewer_segments, row, sqlite_store
from tests.stores.oracle import counted

START, END = datetime(2013, 7, 1, tzinfo=UTC), datetime(2013, 7, 4, tzinfo=UTC)
NOON = datetime(2013, 7, 2, 12, tzinfo=UTC)
HOUR = hour_of(NOON)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    """A store with a few hundred interactions over three days, two bounces at noon among them."""
    rows = [*crowd(11, 300, START, END), row(*BOUNCE, at=NOON), row(*BOUNCE, at=NOON)]
    store = sqlite_store(tmp_path / "kpi.db", rows, fewer_segments())
    yield store
    store.close()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(
        tmp_path / "config.yml", "http://127.0.0.1:9/", segmentations=FEWER_SEGMENTS
    )


def verify(config: Path, *arguments: str) -> int:
    return main(["verify", f"--config.file={config}", *arguments])


def of_days(store: SqliteStore) -> Tally:
    return {Key(*sum_[:3]): sum_.counts for sum_ in store.by_day(0, HOUR * 2) if sum_.counts}


def count_wrongly(store: SqliteStore, hour: int, change: dict[int, int]) -> None:
    """Add to the total's counts of one hour what no interaction stands behind."""
    tally = {key: counts for key, counts in counted(store).items() if key.hour == hour}
    merge(tally, {Key(hour, "", "Total"): change})
    store.repair([hour], tally)


@pytest.mark.usefixtures("store")
def test_it_finds_nothing_in_a_store_that_counted_all_by_itself(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(config) == 0

    said = capsys.readouterr()
    assert not said.out
    assert "event=verified interactions=302 wrong=0 repaired=0" in said.err


def test_it_says_in_words_which_counts_are_wrong(
    store: SqliteStore, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = Evaluator(fewer_segments()).layout
    steps = layout.steps["new_user"]
    count_wrongly(
        store,
        HOUR,
        {
            layout.outcomes[Outcome.BOUNCE]: -2,
            steps["1 - Enter email"]: 5,
            layout.sites_histogram + 9: 1,
        },
    )
    held = dict(counted(store)[Key(HOUR, "", "Total")])

    assert verify(config) == 1

    said = capsys.readouterr()
    bounces = held.get(layout.outcomes[Outcome.BOUNCE], 0)
    entered = held[steps["1 - Enter email"]]
    at = "2013-07-02T12:00Z"
    assert set(said.out.splitlines()) == {
        f"{at}: dialogs that ended as bounce: held {bounces}, right {bounces + 2}",
        f"{at}: interactions of new_user at '1 - Enter email': held {entered}, right {entered - 5}",
        f"{at}: interactions of users signed in to 9 sites: held 1, right 0",
    }
    assert said.err.splitlines()[-1] == (
        "kpi-exporter verify: 3 counts are wrong; --repair puts them right"
    )


def test_it_puts_right_what_is_wrong(store: SqliteStore, config: Path) -> None:
    before = counted(store), of_days(store)
    for hour in (hour_of(START), HOUR, HOUR + 20):
        count_wrongly(store, hour, {0: 3, 1: -1, 70: 2})
    assert before != (counted(store), of_days(store))

    assert verify(config, "--repair") == 0

    assert before == (counted(store), of_days(store))
    assert verify(config) == 0


def test_hours_without_any_count_and_counts_without_any_interaction_are_found(
    store: SqliteStore, config: Path
) -> None:
    before = counted(store)
    store.repair(range(hour_of(START), HOUR), {})
    count_wrongly(store, HOUR + 1_000, {0: 1})

    assert verify(config) == 1
    assert verify(config, "--repair") == 0
    assert counted(store) == before


def test_the_count_of_a_day_is_held_to_that_of_its_hours(
    store: SqliteStore, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = of_days(store)
    with sqlite3.connect(tmp_path / "kpi.db") as db:
        db.execute(
            "update tallies set counts = (select counts from tallies where hours = 1 limit 1)"
            " where hours = 24 and start = ? and segmentation = ''",
            (HOUR - 12,),
        )
    db.close()
    attempts = before[Key(HOUR - 12, "", "Total")][0]

    assert verify(config) == 1
    assert (
        f"2013-07-02 (the day's own count): interactions: held 3, right {attempts}"
        in capsys.readouterr().out.splitlines()
    )
    assert verify(config, "--repair") == 0
    assert of_days(store) == before


def test_it_looks_at_no_more_than_it_was_told_to(store: SqliteStore, config: Path) -> None:
    count_wrongly(store, HOUR, {0: 1})

    assert verify(config, "--to=2013-07-01") == 0
    assert verify(config, "--from=2013-07-03") == 0
    assert verify(config, "--from=2013-07-02", "--to=2013-07-02") == 1


def test_a_range_that_ends_before_it_begins_is_refused(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(config, "--from=2013-07-02", "--to=2013-07-01") == 2
    assert "--from 2013-07-02 is after --to 2013-07-01" in capsys.readouterr().err


class Imported(SqliteStore):
    """A store to which, `times` times, an import adds just when interactions are read."""

    times = 0

    def interactions(self, start_ms: int, end_ms: int) -> Iterator[StoredInteraction]:
        if self.times:
            self.times -= 1
            self.add(batch([row(*BOUNCE, at=NOON)], fewer_segments()), NOON)
        yield from super().interactions(start_ms, end_ms)


@pytest.mark.parametrize(("imports", "restless"), [(1, 0), (3, 0), (LOOKS + 1, 1)])
def test_what_an_import_changes_meanwhile_is_not_wrong(
    tmp_path: Path, imports: int, restless: int
) -> None:
    store = Imported(tmp_path / "kpi.db")
    evaluator = Evaluator(fewer_segments())
    store.use_definitions(evaluator)
    store.times = imports
    verification = Verification(store, evaluator, HOUR - 12, HOUR + 12)

    assert list(verification.check()) == [1]
    assert not list(verification.wrong(repair=True))

    assert verification.restless == restless
    assert verified(store, evaluator)
    store.close()


def verified(store: SqliteStore, evaluator: Evaluator) -> bool:
    again = Verification(store, evaluator, HOUR - 12, HOUR + 12)
    list(again.check())
    return not list(again.wrong(repair=False)) and not again.restless


class ImportedAtRepair(SqliteStore):
    """A store to which an import adds between the look at an hour and its repair."""

    def repair(self, hours: Collection[int], right: Tally) -> None:
        if self.stats().interactions < 4:
            self.add(batch([row(*BOUNCE, at=NOON)], fewer_segments()), NOON)
        super().repair(hours, right)


def test_what_is_imported_during_a_repair_is_not_lost(tmp_path: Path) -> None:
    store = ImportedAtRepair(tmp_path / "kpi.db")
    evaluator = Evaluator(fewer_segments())
    store.use_definitions(evaluator)
    store.add(batch([row(*BOUNCE, at=NOON)], fewer_segments()), NOON)
    SqliteStore.repair(store, [HOUR], {})
    verification = Verification(store, evaluator, HOUR - 12, HOUR + 12)

    list(verification.check())
    assert list(verification.wrong(repair=True))

    assert not verification.restless
    assert store.stats().interactions == 4
    assert verified(store, evaluator)
    store.close()
