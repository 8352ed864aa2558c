"""Prometheus' and Alertmanager's own checkers find nothing, and the rules pass their unit tests."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from testing.rulebook import PROMETHEUS, RULE_FILES, UNIT_TESTS, read_yaml
from tests.prometheus.deployments import expanded, in_a_cluster
from tests.prometheus.needed import with_needed_rules

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
def test_the_rules_do_what_their_unit_tests_say(promtool: Path, tmp_path: Path, path: Path) -> None:
    _run(promtool, "test", "rules", with_needed_rules(path, read_yaml(path), tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("path", UNIT_TESTS, ids=lambda path: path.stem)
def test_they_say_the_same_of_all_rules_together(promtool: Path, path: Path) -> None:
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

    _run(promtool, "test", "rules", with_needed_rules(path, document, tmp_path))


def test_a_copy_has_what_its_tests_name_and_what_that_needs(tmp_path: Path) -> None:
    rules = """
groups:
  - name: all
    rules:
      - {record: "a:limit", expr: "1"}
      - {record: "a:links", expr: "1"}
      - {record: "a:unused", expr: "1"}
      - {alert: One, expr: "a > a:limit", labels: {component: x}, annotations: {url: "a:links"}}
      - {alert: Other, expr: "a:unused > 1", labels: {component: y}}
"""
    (tmp_path / "rules.yml").write_text(rules)
    test = tmp_path / "unit.yml"
    test.write_text(
        """
rule_files: [rules.yml]
tests:
  - input_series: [{series: a, values: 0x100}]
    promql_expr_test:
      - {eval_time: 1m, expr: 'ALERTS{alertstate="firing", component=~"x|z", a!="b"}', value: 1}
"""
    )
    made = tmp_path / "made"
    made.mkdir()

    copy = read_yaml(with_needed_rules(test, read_yaml(test), made))

    (group,) = read_yaml(made / "rules.yml")["groups"]
    names = [rule.get("alert") or rule["record"] for rule in group["rules"]]
    assert names == ["a:limit", "a:links", "One"]
    assert copy["tests"][0]["input_series"] == [{"series": "a", "values": "0x100"}]


def test_values_are_expanded_as_promtool_does() -> None:
    assert expanded("0+60x2 _x2 _ 5 1x1 -60+30x1 7-1x1 stale") == [
        *("0", "60", "120"),
        *("_", "_", "_", "5", "1", "1", "-60", "-30", "7", "6", "stale"),
    ]
