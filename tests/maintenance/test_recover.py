"""Salvage: all that can be read is added, nothing else is touched."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.interaction import StoredInteraction
from exporter.maintenance.recover import Salvaged, salvage
from exporter.ports import StoreDamagedError, StoreError
from exporter.stores.sqlite import SqliteStore
from testing.damaging import damage
from testing.exporter_process import exporter, write_config
from tests.builders import (
    ANY_TIME_MS,
    AT,
    BOUNCE,
    RETURNING,
    batch,
    crowd,
    fewer_segments,
    ms,
    row,
    sqlite_store,
)
from tests.stores.oracle import counted

HOUR = timedelta(hours=1)
ROWS = [row(*RETURNING, id_=f"at {n}", at=AT - n * HOUR / 2) for n in range(100)]


class Damaged(SqliteStore):
    """A store in which reading past a certain instant fails."""

    bad_ms = ms(AT - 20 * HOUR)

    def interactions(self, start_ms: int, end_ms: int) -> Iterator[StoredInteraction]:
        for stored in super().interactions(start_ms, end_ms):
            if stored.timestamp_ms == self.bad_ms:
                raise StoreDamagedError("kpi.db cannot be read: it is damaged")
            yield stored


@pytest.fixture
def damaged(tmp_path: Path) -> Iterator[SqliteStore]:
    sqlite_store(tmp_path / "damaged.db", ROWS, fewer_segments()).close()
    store = Damaged(tmp_path / "damaged.db")
    yield store
    store.close()


@pytest.fixture
def target(tmp_path: Path) -> Iterator[SqliteStore]:
    store = sqlite_store(tmp_path / "kpi.db", [], fewer_segments())
    yield store
    store.close()


def held(store: SqliteStore) -> dict[str, bytes]:
    return {one.id: one.raw for one in store.interactions(0, ANY_TIME_MS)}


def test_all_but_the_damaged_hour_is_added(damaged: SqliteStore, target: SqliteStore) -> None:
    *_, last = salvage(damaged, target, AT + HOUR)

    assert set(held(target)) == {one.id for one in ROWS} - {"at 40", "at 41"}
    assert last == Salvaged(added=98, lost_hours=1)
    right = Evaluator(fewer_segments()).tally_stored(target.interactions(0, ANY_TIME_MS))
    assert counted(target) == right


def test_what_the_target_holds_stays_as_it_is(damaged: SqliteStore, target: SqliteStore) -> None:
    newer = [row(*BOUNCE, id_="at 3", at=AT - 3 * HOUR / 2), row(*BOUNCE, id_="new")]
    target.add(batch(newer, fewer_segments()), AT)
    before = held(target)

    *_, last = salvage(damaged, target, AT + HOUR)

    assert before.items() <= held(target).items()
    assert last == Salvaged(added=97, lost_hours=1)


def test_a_new_target_is_refused_as_it_has_no_definitions(
    damaged: SqliteStore, tmp_path: Path
) -> None:
    new = SqliteStore(tmp_path / "new.db")
    with pytest.raises(StoreError, match="is new"):
        next(salvage(damaged, new, AT))
    new.close()


def test_the_command_brings_back_what_lies_before_the_damage_and_after_it(tmp_path: Path) -> None:
    rows = crowd(1, 3_000, AT - timedelta(days=100), AT)
    path = tmp_path / "kpi.db.damaged-1"
    sqlite_store(path, rows, fewer_segments()).close()
    sqlite_store(tmp_path / "kpi.db", [], fewer_segments()).close()
    config = write_config(tmp_path / "kpi-exporter.yml", "http://127.0.0.1:1/")
    damage(path, first=0.3, share=0.0)  # where interactions are
    addresses = (f"--from=sqlite:{path}", f"--to=sqlite:{tmp_path / 'kpi.db'}")

    refused = exporter("copy", f"--config.file={config}", *addresses, cwd=tmp_path)
    salvaged = exporter("copy", "--damaged", f"--config.file={config}", *addresses, cwd=tmp_path)

    assert refused.returncode != 0
    assert "malformed (SQLITE_CORRUPT); --damaged copies what can be read" in refused.stderr
    assert salvaged.returncode == 0, salvaged.stderr
    store = SqliteStore(tmp_path / "kpi.db")
    assert 0.9 * len(rows) < store.stats().interactions <= len(rows)
    store.close()
