"""Interactions written to disk once are served like those in memory."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fake_server import Crowd, FakeKpiggybank, Incident, Truth, corpus
from tests.fake_server.client import get, rows

UNTIL = datetime(2026, 11, 1, tzinfo=UTC)
SINCE = UNTIL - timedelta(days=1)
BROKEN = Incident(kind="broken", start=SINCE, end=UNTIL, severity=0.5)
CROWD = Crowd(seed=5, per_day=300, incidents=(BROKEN,))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Corpora of the crowd's day, one for each backend."""
    top = tmp_path_factory.mktemp("corpora")
    for backend in ("couchdb", "memory"):
        corpus.write(top / backend, backend=backend, crowd=CROWD, since=SINCE, until=UNTIL)
    return lambda backend: top / backend


def milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


@pytest.mark.parametrize("backend", ["couchdb", "memory"])
def test_a_corpus_is_served_like_the_same_in_memory(
    backend: str, written: Callable[[str], Path]
) -> None:
    with (
        FakeKpiggybank(backend=backend) as live,
        FakeKpiggybank(backend=backend, corpus=written(backend)) as stored,
    ):
        live.fill(CROWD.plans(SINCE, UNTIL))
        noon = milliseconds(SINCE + timedelta(hours=12))
        for bounds in (
            {},
            {"start": noon},
            {"start": noon, "end": noon + 3_600_000},
            {"start": noon + 1, "end": noon + 2},
            {"start": 0, "end": noon},
        ):
            expected, served = rows(live, **bounds), rows(stored, **bounds)
            if backend == "memory":
                # In a corpus all arrived in order of time.
                expected.sort(key=lambda row: (row["timestamp"], json.dumps(row)))
                served.sort(key=lambda row: (row["timestamp"], json.dumps(row)))
            assert served == expected
        assert get(stored, "/count") == get(live, "/count")
        assert stored.stats["rows"] == live.stats["rows"]
        said = json.loads((written(backend) / "truth.json").read_bytes())
        truth = Truth(durations=False)  # of millions
        truth.add(CROWD.plans(SINCE, UNTIL))
        assert said == truth.as_json()


def test_what_is_posted_later_comes_between(written: Callable[[str], Path]) -> None:
    with FakeKpiggybank(corpus=written("couchdb")) as bank:
        before = rows(bank)
        middle, newest = before[100]["key"], before[-1]["key"]
        bank.add([{"_id": "f" * 33, "timestamp": middle}, {"_id": "late", "timestamp": 1}])
        bank.add([{"_id": "text", "timestamp": str(newest)}])
        bank.add([{"_id": "new", "timestamp": newest + 600_000}])

        after = rows(bank)

        assert [row["id"] for row in after if row not in before] == [
            "late",
            "f" * 33,
            "new",
            "text",
        ]
        assert [row["key"] for row in after[:-1]] == sorted(row["key"] for row in after[:-1])
        assert [row for row in after if row in before] == before
        assert get(bank, "/count") == (200, str(len(before) + 4).encode())
        assert json.loads(get(bank, "/last")[1])["id"] == "text"


def test_one_row_of_a_corpus_is_found(written: Callable[[str], Path]) -> None:
    with FakeKpiggybank(corpus=written("couchdb")) as bank:
        row = rows(bank)[50]
        assert json.loads(get(bank, id=row["id"])[1]) == {"results": row["value"]}


def test_faults_reach_the_rows_of_a_corpus(written: Callable[[str], Path]) -> None:
    with FakeKpiggybank(corpus=written("memory"), backend="memory") as bank:
        once = rows(bank)
        bank.set_faults("duplicates")
        assert rows(bank) == [row for row in once for _ in range(2)]


def test_last_and_one_of_a_corpus_in_memory(written: Callable[[str], Path]) -> None:
    with FakeKpiggybank(corpus=written("memory"), backend="memory") as bank:
        first = json.loads(get(bank, "/last")[1])
        assert first == rows(bank)[0]
        (oddity,) = (name for name in first if first[name] == name)
        assert json.loads(get(bank, id=oddity)[1]) == {"results": first}
        assert get(bank, id="unknown") == (200, b"{}")
    with FakeKpiggybank(corpus=written("couchdb")) as bank:
        assert json.loads(get(bank, "/last")[1]) == rows(bank)[-1]


def test_a_long_corpus_is_cut_for_many_processors_and_is_the_same(
    tmp_path: Path, written: Callable[[str], Path]
) -> None:
    corpus.write(
        tmp_path, backend="couchdb", crowd=CROWD, since=SINCE, until=UNTIL, rows_at_once=100
    )

    for name in ("rows", "offsets", "timestamps"):
        assert (tmp_path / name).read_bytes() == (written("couchdb") / name).read_bytes()


def test_an_empty_corpus(tmp_path: Path) -> None:
    corpus.write(tmp_path, backend="couchdb", crowd=CROWD, since=UNTIL, until=UNTIL)
    with FakeKpiggybank(corpus=tmp_path) as bank:
        assert rows(bank) == []
        assert get(bank, "/count") == (500, b"")


def test_the_command_says_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert corpus.main([str(tmp_path), "--rows=200", "--days=1", "--backend=memory"]) == 0

    said = json.loads(capsys.readouterr().out)

    assert said["rows"] == json.loads((tmp_path / "truth.json").read_bytes())["stored"] > 100
    assert (said["backend"], said["until"]) == ("memory", "2026-11-01T00:00:00+00:00")


def test_a_corpus_of_the_other_backend_is_refused(written: Callable[[str], Path]) -> None:
    with pytest.raises(ValueError, match="memory backend"):
        FakeKpiggybank(backend="couchdb", corpus=written("memory"))


def test_a_corpus_that_was_never_finished_is_refused(
    tmp_path: Path, written: Callable[[str], Path]
) -> None:
    for name in ("rows", "offsets", "timestamps"):
        (tmp_path / name).write_bytes((written("couchdb") / name).read_bytes())
    with pytest.raises(FileNotFoundError):
        FakeKpiggybank(corpus=tmp_path)
