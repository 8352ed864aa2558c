"""`kpi-exporter rejected`: refused rows are listed, shown and, once they can be read, counted."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from exporter.commands.main import main
from exporter.domain.interaction import Reason, Rejected, Row
from exporter.ports import Batch
from exporter.stores.sqlite import SqliteStore
from testing.exporter_process import write_config
from testing.waiting import WAIT_SECONDS
from tests.builders import BOUNCE, FEWER_SEGMENTS, batch, fewer_segments, row, sqlite_store

EARLY, LATE = datetime(2013, 7, 1, 12, tzinfo=UTC), datetime(2013, 7, 2, 13, tzinfo=UTC)
IN_SECONDS = Row(id="seconds", raw=b'{"event_stream": [["a", 0]], "timestamp": 1372680000}')
NO_JSON = Row(id="broken", raw=b'{"event_stream": \x1b[31m')
READABLE = row(*BOUNCE, id_="readable", at=EARLY)
EMPTY = row(id_="empty", at=EARLY)


def refused(*rows: Row) -> Batch:
    """Rows as they were judged by another clock, or other rules."""
    detail = "timestamp is a day ahead"
    return Batch(
        rejected=[Rejected(r.id, r.raw, Reason.TIMESTAMP_OUT_OF_RANGE, detail) for r in rows]
    )


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    """A store with four rejected rows, two of which can be read today."""
    store = sqlite_store(tmp_path / "kpi.db", (), fewer_segments())
    store.add(batch([IN_SECONDS, NO_JSON], fewer_segments()), EARLY)
    store.add(refused(READABLE, EMPTY), LATE)
    return store


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(
        tmp_path / "config.yml", "http://127.0.0.1:9/", segmentations=FEWER_SEGMENTS
    )


def rejected(config: Path, *arguments: str) -> int:
    return main(["rejected", f"--config.file={config}", *arguments])


@pytest.mark.usefixtures("store")
def test_the_newest_are_listed_first_with_reason_and_detail(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rejected(config) == 0

    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert lines[0].startswith("2013-07-02T13:00:00Z  timestamp_out_of_range  ")
    assert "listed=4 held=4" in said.err
    assert (
        "2013-07-01T12:00:00Z  timestamp_in_seconds  seconds  timestamp 1372680000 looks like"
        " seconds; milliseconds are expected"
    ) in lines[2:]


@pytest.mark.usefixtures("store")
def test_no_more_are_listed_than_asked_for(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rejected(config, "list", "--limit=1") == 0

    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 1
    assert "listed=1 held=4" in said.err


@pytest.mark.usefixtures("store")
def test_a_row_is_shown_as_it_came(config: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert rejected(config, "show", "broken") == 0

    head, content = capfdbinary.readouterr().out.split(b"\n\n", 1)
    assert head.splitlines()[:2] == [b"id       broken", b"refused  2013-07-01T12:00:00Z"]
    assert head.splitlines()[2].startswith(b"reason   not_json: not readable as JSON")
    assert content == NO_JSON.raw + b"\n"


@pytest.mark.usefixtures("store")
def test_a_terminal_gets_no_control_characters_from_outside(config: Path) -> None:
    ours, its = os.openpty()
    command = [sys.executable, "-m", "exporter", "rejected", f"--config.file={config}"]
    subprocess.run([*command, "show", "broken"], stdout=its, check=True, timeout=WAIT_SECONDS)
    os.close(its)

    shown = os.read(ours, 10_000)

    os.close(ours)
    assert rb'{"event_stream": \x1b[31m' in shown
    assert b"\x1b" not in shown


def test_what_can_be_read_now_is_counted_and_not_rejected_any_more(
    store: SqliteStore, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rejected(config, "retry", "--all") == 0

    assert "event=retried imported=1 ignored=1 rejected=2" in capsys.readouterr().err
    stats = store.stats()
    assert (stats.interactions, stats.ignored) == (1, 1)
    assert stats.rejected == {Reason.TIMESTAMP_IN_SECONDS: 1, Reason.NOT_JSON: 1}
    assert stats.accounted_for == 4
    (stored,) = store.interactions(0, 1 << 50)
    assert (stored.id, stored.raw) == (READABLE.id, READABLE.raw)


def test_one_row_can_be_retried_alone(store: SqliteStore, config: Path) -> None:
    assert rejected(config, "retry", "empty") == 0

    assert {row.id for row in store.rejected(9)} == {"seconds", "broken", "readable"}
    assert store.stats().ignored == 1


def test_what_still_cannot_be_read_stays_as_it_was(
    store: SqliteStore, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = store.rejected(9)

    assert rejected(config, "retry", "seconds") == 0

    assert "imported=0 ignored=0 rejected=1" in capsys.readouterr().err
    assert store.rejected(9) == before


def test_a_row_from_the_future_stays_until_its_time_has_come(
    store: SqliteStore, config: Path
) -> None:
    clock = datetime.now(UTC)  # noqa: TID251 -- the command believes timestamps by it
    store.add(refused(row(*BOUNCE, id_="ahead", at=clock + timedelta(days=3))), LATE)

    assert rejected(config, "retry", "--all") == 0

    assert {row.id for row in store.rejected(9)} == {"seconds", "broken", "ahead"}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("list", "x"), "`kpi-exporter rejected show x` shows one row"),
        (("show",), "show which? `kpi-exporter rejected` lists them"),
        (("retry",), "retry which? either an ID or --all"),
        (("retry", "empty", "--all"), "retry which? either an ID or --all"),
    ],
)
@pytest.mark.usefixtures("store")
def test_what_is_not_said_clearly_is_asked_for(
    config: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], complaint: str
) -> None:
    assert rejected(config, *arguments) == 2

    assert capsys.readouterr().err.splitlines()[-1] == f"kpi-exporter rejected: {complaint}"


@pytest.mark.usefixtures("store")
def test_a_row_that_is_not_there_cannot_be_shown(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rejected(config, "show", "x") == 1

    assert capsys.readouterr().err.splitlines()[-1] == (
        "kpi-exporter rejected: no rejected row 'x'; `kpi-exporter rejected` lists those that are"
        " kept"
    )


def test_an_id_that_does_not_print_can_be_listed_and_asked_for(
    store: SqliteStore, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store.add(refused(Row(id="a\n\x1bb", raw=b"{}")), LATE)

    assert rejected(config) == 0
    assert r"  a\n\x1bb  " in capsys.readouterr().out
    assert rejected(config, "show", r"a\n\x1bb") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {}


def test_a_limit_below_one_is_wrong_usage(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        rejected(config, "--limit=0")

    assert ended.value.code == 2
    assert "a number from 1 on was expected, not '0'" in capsys.readouterr().err
