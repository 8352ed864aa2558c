"""Prometheus' and Alertmanager's own checkers find nothing, and the rules pass their unit tests."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from testing.rulebook import PROMETHEUS, RULE_FILES, UNIT_TESTS, read_yaml
from tests.prometheus.deployments import expanded, in_a_cluster

IN_CLUSTERS = ("deployments",)
"""These have the labels of a cluster themselves."""

IN_SHORT = ("exporter", "sign-in-slow")
"""Of those that are run a second time: all of them together take promtool minutes."""


def _run(*command: str | Path) -> None:
    done = subprocess.run(
        command,
        cwd=PROMETHEUS,
        env=os.environ | {"GOGC": "400"},  # a fifth less time, for some more memory
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


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.stem, marks=[] if path.stem in IN_SHORT else pytest.mark.slow)
        for path in UNIT_TESTS
        if path.stem not in IN_CLUSTERS
    ],
)
def test_the_rules_answer_the_same_in_a_cluster(promtool: Path, tmp_path: Path, path: Path) -> None:
    document = in_a_cluster(read_yaml(path))
    for name in document["rule_files"]:
        shutil.copy(path.parent / name, tmp_path)
    document["rule_files"] = [Path(name).name for name in document["rule_files"]]
    copy = tmp_path / f"test-{path.name}"  # a rule file may have the same name
    copy.write_text(yaml.safe_dump(document))

    _run(promtool, "test", "rules", copy)


def test_values_are_expanded_as_promtool_does() -> None:
    assert expanded("0+60x2 _x2 _ 5 1x1 -60+30x1 7-1x1 stale") == [
        *("0", "60", "120"),
        *("_", "_", "_", "5", "1", "1", "-60", "-30", "7", "6", "stale"),
    ]
