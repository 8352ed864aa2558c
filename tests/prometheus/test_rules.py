"""The rules speak of series that exist, and every alert is complete."""

import json
import re
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest
import yaml

from exporter.domain.outcome import Outcome
from exporter.metrics.families import FAMILIES
from prometheus.generate import SERVICE_LABELS
from testing.rulebook import (
    CHECKOUT,
    PROMETHEUS,
    RULE_FILES,
    RUNBOOKS,
    UNIT_TESTS,
    Rule,
    Selector,
    alerts,
    read_yaml,
    recorded,
    rules,
    rules_of,
)

LABELS = {family.name: frozenset(family.labels) for family in FAMILIES}
LABELS["up"] = frozenset()
TARGET_LABELS = frozenset({"job", "instance", "pod"})
OPERATOR_LABELS = TARGET_LABELS | {"namespace", "container"}
OWN_LABELS = frozenset({"period", "ratio", "week", "lookback", "lacks", "hour"}) | TARGET_LABELS
BOARDS = [
    json.loads(path.read_text(encoding="utf-8"))
    for path in (CHECKOUT / "grafana/dashboards").glob("*.json")
]
VARIABLES = {
    board["uid"]: {variable["name"] for variable in board["templating"]["list"]} for board in BOARDS
}
MANIFEST = CHECKOUT / "deploy/kubernetes/base/prometheusrule.yaml"
PERSONA = yaml.safe_load(resources.files("exporter").joinpath("persona.yaml").read_text())
FLOWS = set(PERSONA["flows"])
SHOWN_FIRING = {
    expected["alertname"]
    for path in UNIT_TESTS
    for test in read_yaml(path)["tests"]
    for expected in test.get("alert_rule_test", [])
    if expected["exp_alerts"]
}

each_rule = pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.name)
each_alert = pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert.name)


def families_of(selector: Selector) -> list[str]:
    """The exporter's families that a selector, which may be a pattern, can mean."""
    return [name for name in LABELS if re.fullmatch(selector.name, name)]


@each_rule
def test_every_series_in_an_expression_is_exposed_or_recorded(rule: Rule) -> None:
    made = {other.name for other in recorded()}

    assert rule.names() <= LABELS.keys() | made

    for selector in rule.selectors():
        assert selector.name in made or families_of(selector)


def test_a_recording_rule_stands_below_those_that_it_reads() -> None:
    in_order = [
        rule for path in ("thresholds", "imports", "days", "kpis") for rule in rules_of(path)
    ]
    seen: set[str] = set()
    for rule in in_order:
        seen.add(rule.name)
        assert {name for name in rule.names() if ":" in name} <= seen, rule.name


@each_rule
def test_every_label_in_an_expression_is_one_of_its_series(rule: Rule) -> None:
    known = OWN_LABELS.union(*LABELS.values())

    assert rule.grouping_labels() <= known
    for selector in rule.selectors():
        labels = {label for label, _, _ in selector.matchers}
        for family in families_of(selector):
            assert labels <= LABELS[family] | TARGET_LABELS
        assert labels <= known


def test_the_rules_are_written_from_their_sources(tmp_path: Path) -> None:
    generate("--output", tmp_path)

    for path in (*RULE_FILES, MANIFEST):
        assert path.read_text() == (tmp_path / path.name).read_text(), "run `make rules`"


@each_rule
def test_a_service_is_what_the_rules_aggregate_to(rule: Rule) -> None:
    """No label of a process is left but where one process is meant."""
    assert not re.search(r"(without|ignoring) \([^)]*\b(job|instance|pod)\b", rule.expr)


def test_what_else_identifies_a_service_is_said_once(tmp_path: Path, promtool: Path) -> None:
    generate("--output", tmp_path, "--service-labels=job,namespace")

    for path in tmp_path.glob("*.yml"):
        for labels in re.findall(r"(?:by|on) \(([^)]*\bjob\b[^)]*)\)", path.read_text()):
            assert labels.startswith("job, namespace"), labels
    rules = [path for path in tmp_path.glob("*.yml") if path.name != MANIFEST.name]
    subprocess.run([promtool, "check", "rules", *rules], check=True, capture_output=True)


def test_a_service_label_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as error:
        generate("--output", tmp_path, "--service-labels=name space")

    assert "expected label names with job among them, found ['name space']" in error.value.stderr


def generate(*arguments: str | Path) -> None:
    subprocess.run(
        [sys.executable, PROMETHEUS / "generate.py", *arguments],
        check=True,
        capture_output=True,
        text=True,
    )


@each_rule
def test_every_label_value_in_an_expression_can_occur(rule: Rule) -> None:
    possible = {
        "outcome": {str(outcome) for outcome in Outcome},
        "flow": FLOWS,
        "result": {"success", "failure", "imported", "duplicate", "ignored", "rejected"},
        "window": {"30m", "1h", "6h", "12h", "1d", "7d", "30d"},
        "period": {"now", "past"},
        "job": {"kpi-exporter"},
        "ratio": {rule.labels["ratio"] for rule in recorded() if "ratio" in rule.labels},
    }
    for selector in rule.selectors():
        for label, operator, value in selector.matchers:
            if label in possible:
                hits = [each for each in possible[label] if re.fullmatch(value, each)]
                assert hits, f'{label}{operator}"{value}" matches nothing that can occur'


def test_recording_rules_are_named_level_metric_operations() -> None:
    for rule in recorded():
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*:kpi_[a-z0-9_]+:[a-z0-9_]+", rule.name), rule.name


def test_thresholds_stand_in_one_file_and_are_all_used() -> None:
    names = {rule.name for rule in rules_of("thresholds")}
    read = " ".join(
        f"{rule.expr} {' '.join(rule.annotations.values())}"
        for rule in rules()
        if rule.name not in names
    )

    assert [name for name in names if name not in read] == []


@each_alert
def test_an_alert_has_a_name_a_severity_and_a_component(alert: Rule) -> None:
    assert re.fullmatch(r"Kpi([A-Z][a-z]+)+", alert.name)
    assert alert.labels["severity"] in {"critical", "warning", "info"}
    assert alert.labels["component"] in {"sign-in", "exporter"}
    assert "for" in alert.raw


@each_alert
def test_no_label_of_an_alert_holds_a_value(alert: Rule) -> None:
    assert not [value for value in alert.labels.values() if "{{" in value]


@each_alert
def test_an_alert_says_what_it_is_and_how_much(alert: Rule) -> None:
    assert not alert.annotations["summary"].endswith(".")
    assert "$value" not in alert.annotations["summary"]
    assert alert.annotations["description"].endswith(".")


@each_alert
def test_an_alert_leads_to_its_runbook_and_a_dashboard(alert: Rule) -> None:
    assert alert.annotations["runbook_url"].endswith(f"/{alert.name}.md")
    assert (RUNBOOKS / f"{alert.name}.md").is_file()
    address = alert.annotations["dashboard_url"].split("}}{{ end }}/")[1]
    dashboard, _, parameters = address.partition("?")
    assert set(re.findall(r"var-(\w+)=", parameters)) <= VARIABLES[dashboard]


@each_alert
def test_an_alert_is_shown_firing_with_its_words_in_a_unit_test(alert: Rule) -> None:
    assert alert.name in SHOWN_FIRING


def test_the_unit_tests_feed_series_as_the_exporter_exposes_them() -> None:
    found = 0
    for path in UNIT_TESTS:
        for test in read_yaml(path)["tests"]:
            for series in test["input_series"]:
                name, _, labels = series["series"].partition("{")
                given = set(re.findall(r'(\w+)="', labels))
                rest = {"segmentation", "segment"} if name.startswith("kpi_segment_") else set()
                assert given - OPERATOR_LABELS == LABELS[name] | rest, series["series"]
                found += 1
    assert found


def test_alertmanager_speaks_only_of_alerts_and_labels_that_exist() -> None:
    text = (PROMETHEUS / "alertmanager.yml").read_text(encoding="utf-8")
    names = {alert.name for alert in alerts()}
    labels = frozenset().union(*(alert.labels for alert in alerts())) | {"alertname"}

    for label, _, value in re.findall(r'(\w+)(=~|!=|=)"([^"]+)"', text):
        assert label in labels | {"ratio"}
        if label == "alertname":
            assert [name for name in names if re.fullmatch(value, name)], value


def test_alertmanager_tells_services_apart_by_the_labels_of_a_service() -> None:
    configuration = read_yaml(PROMETHEUS / "alertmanager.yml")
    alike = [configuration["route"]["group_by"]]
    alike += [rule["equal"] for rule in configuration["inhibit_rules"]]

    for labels in alike:
        assert tuple(labels[: len(SERVICE_LABELS)]) == SERVICE_LABELS
        known = {"component", "ratio", "duration", "segmentation", "segment"}
        assert set(labels[len(SERVICE_LABELS) :]) <= known, "a label of a process splits a page"


def test_each_rule_file_is_under_test() -> None:
    tested = {Path(name).name for path in UNIT_TESTS for name in read_yaml(path)["rule_files"]}

    assert tested == {path.name for path in RULE_FILES}


def test_the_documentation_lists_the_alerts_as_they_are() -> None:
    text = (RUNBOOKS.parent / "alerting.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \[(Kpi\w+)\]\(runbooks/(\w+)\.md\) \| (\w+) \|", text, re.MULTILINE)

    assert [name for name, page, _ in listed if name != page] == []
    assert {name: severity for name, _, severity in listed} == {
        alert.name: alert.labels["severity"] for alert in alerts()
    }


def test_there_is_no_runbook_without_its_alert() -> None:
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == {alert.name for alert in alerts()}
