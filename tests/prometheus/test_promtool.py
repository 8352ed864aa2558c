"""Prometheus' and Alertmanager's own checkers find nothing, and the rules pass their unit tests."""

import shutil
import subprocess
from pathlib import Path

import pytest

from testing.rulebook import PROMETHEUS, RULE_FILES, UNIT_TESTS


def _run(*command: str | Path) -> None:
    done = subprocess.run(
        command,
        cwd=PROMETHEUS,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_the_configuration_is_valid(promtool: Path) -> None:
    _run(promtool, "check", "config", "prometheus.yml")


def test_the_rules_are_valid_and_give_lint_nothing_to_say(promtool: Path) -> None:
    _run(promtool, "check", "rules", "--lint=all", "--lint-fatal", *RULE_FILES)


def test_the_alertmanager_configuration_is_valid() -> None:
    amtool = shutil.which("amtool")
    if amtool is None:
        pytest.skip("amtool is missing; as root: apt-get install prometheus-alertmanager")
    _run(amtool, "check-config", "alertmanager.yml")


@pytest.mark.parametrize("path", UNIT_TESTS, ids=lambda path: path.stem)
def test_the_rules_do_what_their_unit_tests_say(promtool: Path, path: Path) -> None:
    _run(promtool, "test", "rules", path)
