"""The command line as a user meets it: help, version, exit codes, and what lands where."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from exporter import __version__
from exporter.clock import now
from exporter.commands.main import COMMANDS
from fake_server import Crowd, FakeKpiggybank
from testing.exporter_process import exporter, exporter_process, write_config

Run = Callable[..., CompletedProcess[str]]


def test_help_names_every_command(tmp_path: Path) -> None:
    done = exporter("--help", cwd=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert set(COMMANDS) <= set(re.findall(r"^    (\w+)", done.stdout, re.MULTILINE))


def test_a_commands_help_names_the_common_flags(tmp_path: Path) -> None:
    done = exporter("serve", "--help", cwd=tmp_path)

    assert done.returncode == 0
    for flag in ("--config.file", "--log.level", "--log.format", "--web.listen-address"):
        assert flag in done.stdout


@pytest.mark.parametrize("run", [exporter, exporter_process])
@pytest.mark.parametrize("arguments", [("--version",), ("import", "--version")])
def test_version(run: Run, arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = run(*arguments, cwd=tmp_path)

    assert (done.returncode, done.stdout.split()) == (0, ["kpi-exporter", __version__])


def test_an_import_says_on_standard_error_what_it_did_and_nothing_on_standard_output(
    tmp_path: Path,
) -> None:
    with FakeKpiggybank() as bank:
        bank.fill(Crowd(seed=1, per_day=50).plans(now() - timedelta(days=2), now()))
        config = write_config(tmp_path / "config.yml", bank.url)
        done = exporter("import", f"--config.file={config}", "--log.format=json", cwd=tmp_path)

    assert (done.returncode, done.stdout) == (0, "")
    said = json.loads(done.stderr.splitlines()[-1])
    assert said["event"] == "import finished"
    assert said["imported"] + said["ignored"] == bank.stored
    assert "event_stream" not in done.stderr


def test_a_range_that_ends_before_it_begins_is_refused(tmp_path: Path) -> None:
    config = write_config(tmp_path / "config.yml", "http://127.0.0.1:1/")
    done = exporter(
        "import", f"--config.file={config}", "--since=2026-02-01", "--until=2026-01-01",
        cwd=tmp_path,
    )  # fmt: skip

    assert done.returncode == 2
    assert "is not before --until" in done.stderr


def test_check_lists_every_problem_and_fails(tmp_path: Path) -> None:
    config = tmp_path / "config.yml"
    config.write_text("data_server: {uri: x}\nwindows: [500d]\nseries_limit: -1\n")
    done = exporter("check", f"--config.file={config}", cwd=tmp_path)

    assert done.returncode == 1
    assert done.stdout == ""
    for place in ("data_server", "windows", "series_limit"):
        assert any(place in line for line in done.stderr.splitlines())
