"""How counts lie in the tallies' table, and that no sum is an old one."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.tally import Counts
from exporter.domain.windows import hour_of
from exporter.ports import StoreDamagedError
from exporter.stores.sqlite import SqliteStore
from exporter.stores.sqlite.tallies import decoded, encoded
from tests.builders import AT, batch, crowd, persona, sqlite_store

LARGE = {f"segment {n}": dict.fromkeys(range(100), 1) for n in range(10)}
SMALL: dict[str, Counts] = {"Total": {0: 3, 700: 1}}
END = hour_of(AT) + 1


def totals(store: SqliteStore) -> dict[tuple[str, str], Counts]:
    month = store.total(END - 30 * 24, END)
    return {(row.segmentation, row.segment): row.counts for row in month}


def test_large_counts_are_compressed_and_all_are_read_as_they_were_written() -> None:
    assert len(encoded(LARGE)) < len(msgspec.msgpack.encode(LARGE)) / 2
    assert encoded(SMALL) == msgspec.msgpack.encode(SMALL)
    assert [decoded(encoded(counts)) for counts in (LARGE, SMALL, {})] == [LARGE, SMALL, {}]


def test_large_counts_that_an_earlier_version_wrote_are_read_and_added_to(tmp_path: Path) -> None:
    store = sqlite_store(tmp_path / "kpi.db", crowd(1, 50, AT, AT))
    with closing(sqlite3.connect(tmp_path / "kpi.db")) as db:
        plain = msgspec.msgpack.encode({"Total": dict.fromkeys(range(2_000), 5)})
        db.execute("update tallies set counts = ? where segmentation = ''", (plain,))
        db.commit()

    store.add(batch(crowd(2, 7, AT, AT)), AT)

    assert totals(store)["", "Total"][0] == 5 + 7
    assert totals(store)["", "Total"][1_999] == 5


def test_what_was_added_since_is_in_the_next_sum_and_what_was_given_out_stays(
    tmp_path: Path,
) -> None:
    store = sqlite_store(tmp_path / "kpi.db", crowd(1, 50, AT - timedelta(days=20), AT))
    before = totals(store)
    attempts = before["", "Total"][0]
    before["", "Total"][0] += 1_000  # a caller may change what it got

    assert totals(store)["", "Total"][0] == attempts
    store.add(batch(crowd(2, 7, AT - timedelta(days=20), AT)), AT)
    assert totals(store)["", "Total"][0] == attempts + 7


def test_two_stores_with_the_same_hours_are_two(tmp_path: Path) -> None:
    one = sqlite_store(tmp_path / "one.db", crowd(1, 50, AT - timedelta(days=3), AT))
    other = sqlite_store(tmp_path / "other.db", crowd(1, 30, AT - timedelta(days=3), AT))

    assert (totals(one)["", "Total"][0], totals(other)["", "Total"][0]) == (50, 30)


@pytest.mark.parametrize("damaged", [b"\x28\xb5\x2f\xfd damaged", b"\xc1"])
def test_counts_that_cannot_be_read_are_damage(damaged: bytes, tmp_path: Path) -> None:
    store = sqlite_store(tmp_path / "kpi.db", crowd(1, 50, AT - timedelta(days=2), AT))
    with closing(sqlite3.connect(tmp_path / "kpi.db")) as db:
        db.execute("update tallies set counts = ?", (damaged,))
        db.commit()

    with pytest.raises(StoreDamagedError, match="damaged"):
        totals(store)
    store.use_definitions(Evaluator(persona()))
    with pytest.raises(StoreDamagedError, match="damaged"):
        store.add(batch(crowd(2, 1, AT - timedelta(days=1), AT)), AT)
