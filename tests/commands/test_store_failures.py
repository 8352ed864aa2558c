"""A store that cannot be used is one line and exit code 1, whatever was asked of it."""

from pathlib import Path

import pytest

from exporter.commands.main import main
from testing.exporter_process import write_config

READING = [
    ("backfill",),
    ("explain", "bounce_ratio"),
    ("rejected",),
    ("report", "bounce_rate"),
    ("verify",),
]


@pytest.mark.parametrize("arguments", READING)
def test_a_file_of_another_kind_is_left_alone(
    arguments: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "kpi.db").write_text("a letter, not a database\n" * 100)
    config = write_config(tmp_path / "config.yml", "http://127.0.0.1:9/")

    assert main([*arguments, f"--config.file={config}"]) == 1

    said = capsys.readouterr()
    assert not said.out
    (line,) = said.err.splitlines()
    assert line.startswith(f"kpi-exporter {arguments[0]}: {tmp_path / 'kpi.db'} cannot be opened: ")
    assert (tmp_path / "kpi.db").read_text() == "a letter, not a database\n" * 100


@pytest.mark.parametrize("arguments", READING)
def test_a_file_that_is_not_there_is_not_made_to_be_read(
    arguments: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config(tmp_path / "config.yml", "http://127.0.0.1:9/")

    assert main([*arguments, f"--config.file={config}"]) == 1

    (line,) = capsys.readouterr().err.splitlines()
    missing = f"kpi-exporter {arguments[0]}: sqlite:{tmp_path / 'kpi.db'} is not there"
    assert line.startswith(missing)
    assert not (tmp_path / "kpi.db").exists()
