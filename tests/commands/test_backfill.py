"""`kpi-exporter backfill`: what it chooses by itself, and what it refuses."""

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from exporter.commands.main import main
from exporter.notes import EXPOSED_SINCE
from testing.exporter_process import write_config
from tests.builders import BOUNCE, fewer_segments, row, sqlite_store

FIRST = datetime(2013, 7, 1, 12, 34, tzinfo=UTC)
SPAN = ("--from=2013-07-01", "--to=2013-07-02")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose store holds an interaction in each of a hundred hours."""
    rows = [row(*BOUNCE, at=FIRST + timedelta(hours=n)) for n in range(100)]
    sqlite_store(tmp_path / "kpi.db", rows, fewer_segments()).close()
    return write_config(tmp_path / "config.yml", "http://127.0.0.1:9/", windows=["1d"])


def backfill(config: Path, *arguments: str) -> int:
    return main(["backfill", f"--config.file={config}", *arguments])


def instants(text: str) -> list[int]:
    """The instants of the one series of sign-in attempts."""
    return [
        int(at) for at in re.findall(r"^kpi_sign_in_attempts{.*} \S+ (\d+)$", text, re.MULTILINE)
    ]


def test_it_goes_to_standard_output_unless_told_otherwise(
    config: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert backfill(config, *SPAN, f"--output={tmp_path / 'history.om'}") == 0
    assert not capsys.readouterr().out
    assert backfill(config, *SPAN) == 0

    assert capsys.readouterr().out == (tmp_path / "history.om").read_text()


def test_it_ends_where_scraping_could_first_begin(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    since = datetime(2013, 7, 3, 4, 5, 6, 789, tzinfo=UTC)
    store = sqlite_store(config.parent / "kpi.db", (), fewer_segments())
    store.remember(EXPOSED_SINCE, since.isoformat())
    store.close()

    assert backfill(config) == 0

    found = instants(capsys.readouterr().out)
    assert found[-1] == int(since.timestamp())
    assert found[-2] == int(datetime(2013, 7, 3, 4, 5, tzinfo=UTC).timestamp())
    assert {after - before for before, after in pairwise(found[:-1])} == {300}


def test_it_says_nothing_of_the_time_before_the_first_interaction(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert backfill(config, "--from=2013-06-01", "--to=2013-07-02", "--step=1h") == 0

    said = capsys.readouterr()
    assert instants(said.out)[0] == int(datetime(2013, 7, 1, 12, tzinfo=UTC).timestamp())
    assert "nothing is held from before" in said.err


def test_it_ends_by_the_clock_at_the_latest(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert backfill(config, "--from=2013-07-01", "--to=9999-01-01", "--step=1000d") == 0

    clock = datetime.now(UTC).timestamp()  # noqa: TID251 -- the command reads it too
    assert clock - 60 <= instants(capsys.readouterr().out)[-1] <= clock


def test_labels_are_those_of_the_scrape(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert backfill(config, *SPAN, "--step=1d") == 0
    assert ',job="kpi-exporter",instance="127.0.0.1:3434"} ' in capsys.readouterr().out
    labels = ("--label=job=kpis", "--label=instance=a:1", '--label=site=a "b"')
    assert backfill(config, *SPAN, "--step=1d", *labels) == 0
    assert r',job="kpis",instance="a:1",site="a \"b\""} ' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argument", "complaint"),
    [
        ("--step=30s", "whole minutes were expected, not 30s"),
        ("--step=5", "expected a duration such as 30s, 1h30m or 7d"),
        ("--label=window=1d", "window is a label of the KPIs themselves"),
        ("--label=__name__=x", "__name__ is a label of the KPIs themselves"),
        ("--label=1st=x", "NAME=VALUE was expected, not '1st=x'"),
        ("--label=job=", "NAME=VALUE was expected, not 'job='"),
        ("--from=soon", "or Unix time, not 'soon'"),
    ],
)
def test_wrong_usage_is_exit_code_2(
    config: Path, capsys: pytest.CaptureFixture[str], argument: str, complaint: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        backfill(config, argument)

    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("--from=2013-07-02", "--to=2013-07-01"), 2), (("--from=9998-07-02",), 1)],
)
def test_a_range_must_begin_before_it_ends_or_before_the_clock(
    config: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int
) -> None:
    assert backfill(config, *arguments) == code

    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("kpi-exporter backfill: --from ")
    assert "T00:00:00+00:00 is not before --to " in said


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            ("--from=2012-07-02", "--to=2013-07-01"),
            "nothing is held from before 2013-07-01T00:00:00+00:00; run an import first",
        ),
        (
            (*SPAN, "--output=nowhere/history.om"),
            "nowhere/history.om cannot be written: No such file or directory",
        ),
        ((*SPAN, "--output=."), ". cannot be written: Is a directory"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_code_1(
    config: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], complaint: str
) -> None:
    assert backfill(config, *arguments) == 1

    assert capsys.readouterr().err.splitlines()[-1] == f"kpi-exporter backfill: {complaint}"
