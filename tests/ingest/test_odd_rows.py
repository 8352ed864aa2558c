"""Whatever a row is, the import ends, the rest is in, and the next import does as well.

`rows/`: answers of a source with one odd row each; `-1` and `-2` are the same row encoded anew.
"""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.domain.interaction import Row
from exporter.ports import AddResult
from exporter.sources.rows import Splitter
from exporter.stores.sqlite import SqliteStore
from tests.builders import AT, BOUNCE, batch, fewer_segments, row, sqlite_store

ROWS = Path(__file__).parent / "rows"
BODY = b'{"event_stream":[["screen.rp_info",1]],"timestamp":1372681800000,"x":%s}'


def split(body: bytes) -> Sequence[Row]:
    splitter = Splitter()
    rows = [*splitter.feed(body), *splitter.end()]
    splitter.close()
    return rows


def add(store: SqliteStore, rows: Sequence[Row]) -> AddResult:
    return store.add(batch(rows, fewer_segments()), AT)


@pytest.mark.parametrize("name", ["number-out-of-range", "integer-of-5000-digits", "broken-utf8"])
def test_a_row_that_changes_in_a_field_that_nothing_uses_replaces_itself(
    tmp_path: Path, name: str
) -> None:
    first, second = (split((ROWS / f"unused-{name}-{n}.json").read_bytes()) for n in (1, 2))
    store = sqlite_store(tmp_path / "kpi.db", first, fewer_segments())
    assert add(store, second).imported == 2  # one has changed, one is new
    assert add(store, second).duplicate == 2
    assert store.stats().interactions == 3


@pytest.mark.parametrize("name", ["nul-in-id", "broken-utf8-ids"])
def test_two_ids_stay_two_whatever_is_in_them(tmp_path: Path, name: str) -> None:
    rows = split((ROWS / f"{name}.json").read_bytes())
    store = sqlite_store(tmp_path / "kpi.db", (), fewer_segments())
    assert len({one.id for one in rows}) == len(rows)
    assert add(store, rows).imported == len(rows)
    assert add(store, rows).duplicate == len(rows)


@pytest.mark.parametrize("depth", [480, 501, 985, 2_000, 100_000])
def test_a_row_is_in_or_is_told_however_deep_it_is(tmp_path: Path, depth: int) -> None:
    deep = BODY % (b"[" * depth + b"]" * depth)
    changed = BODY % (b"[" * depth + b" ]" * depth + b',"y":1')
    store = sqlite_store(tmp_path / "kpi.db", (), fewer_segments())
    for raw in (deep, changed):
        found = add(store, [Row("deep", raw), row(*BOUNCE, id_="good")])
        assert found.imported + found.duplicate + found.rejected == 2
    stats = store.stats()
    assert stats.interactions + sum(stats.rejected.values()) == 2
    assert (stats.interactions == 2) is (depth < 500)


@given(st.binary(max_size=200), st.binary(max_size=60))
def test_any_bytes_as_rows_leave_the_others_alone(
    tmp_path_factory: pytest.TempPathFactory, first: bytes, second: bytes
) -> None:
    store = sqlite_store(tmp_path_factory.mktemp("any") / "kpi.db", (), fewer_segments())
    for odd in (first, second, BODY % first, BODY % second):
        found = add(store, [Row("odd", odd), row(*BOUNCE, id_="good")])
        assert found.imported + found.duplicate + found.ignored + found.rejected == 2
    stats = store.stats()
    assert stats.interactions + stats.ignored + sum(stats.rejected.values()) == 2
    store.close()
