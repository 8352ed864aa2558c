"""`kpi-exporter segments`: the values behind each segment, so that `Other` can be made smaller."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from exporter.commands.main import main
from testing.exporter_process import write_config
from tests.builders import BOUNCE, row, sqlite_store

FIRST, SECOND = datetime(2013, 7, 1, 12, tzinfo=UTC), datetime(2013, 7, 2, 12, tzinfo=UTC)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    languages = ["sv"] * 3 + ["en-US", "en", "EN", "\x1b[31m", None]
    rows = [row(*BOUNCE, at=FIRST, lang=language) for language in languages]
    sqlite_store(tmp_path / "kpi.db", [*rows, row(*BOUNCE, at=SECOND, lang="fi")]).close()
    return write_config(tmp_path / "config.yml", "http://127.0.0.1:9/")


def segments(config: Path, *arguments: str) -> int:
    return main(["segments", f"--config.file={config}", *arguments])


def lines(capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    return [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]


def test_the_values_of_other_come_first_and_no_terminal_takes_them_for_commands(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert segments(config, "Locale", "--to=2013-07-01") == 0
    assert lines(capsys) == [
        ["6", "Other"],
        ["3", "sv"],
        ["1", "(no value)"],
        ["1", "\\x1b[31m"],
        ["1", "en-US"],
        ["2", "English"],
        ["1", "EN"],
        ["1", "en"],
    ]


def test_the_rest_is_summed_beyond_the_limit(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert segments(config, "Locale", "--limit=1") == 0
    assert lines(capsys)[:3] == [["7", "Other"], ["3", "sv"], ["4", "(other values)"]]


def test_an_unknown_segmentation_names_those_there_are(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert segments(config, "Colour") == 1
    assert "no segmentation 'Colour'; there are OS, Browser" in capsys.readouterr().err
