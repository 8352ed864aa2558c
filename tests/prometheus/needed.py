"""Of the rules only those that a unit test needs: promtool evaluates at each step all it reads."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from testing.rulebook import read_yaml

_ALERTS = re.compile(r"\bALERTS(?:_FOR_STATE)?\b(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'(\w+)(=~|=)"([^"]*)"')
_NAME = re.compile(r"[a-zA-Z_:][\w:]*")


def with_needed_rules(test: Path, document: Mapping[str, Any], directory: Path) -> Path:
    """Write a file of unit tests to a directory, beside copies of its rule files.

    Those have the rules that the tests name, and what these name in turn, in queries or in texts.
    Which alerts fire is asked of `ALERTS`: each that its matchers let through is named by it.
    """
    files = {Path(name).name: read_yaml(test.parent / name) for name in document["rule_files"]}
    needed = _needed(document, [rule for file in files.values() for rule in _rules(file)])
    for name, file in files.items():
        for group in file["groups"]:
            group["rules"] = [rule for rule in group["rules"] if _name(rule) in needed]
        (directory / name).write_text(yaml.safe_dump(file, sort_keys=False))
    copy = directory / f"test-{test.name}"  # a rule file may have the same name
    copy.write_text(yaml.safe_dump({**document, "rule_files": list(files)}, sort_keys=False))
    return copy


def _needed(document: Mapping[str, Any], rules: list[Any]) -> set[str]:
    names: dict[str, set[str]] = {}
    for rule in rules:  # several rules may record one name
        names.setdefault(_name(rule), set()).update(_NAME.findall(yaml.safe_dump(rule)))
    waiting = _named(document, rules) & set(names)
    needed: set[str] = set()
    while waiting:
        needed |= waiting
        waiting = set().union(*(names[name] for name in waiting)) & set(names) - needed
    return needed


def _named(document: Mapping[str, Any], rules: list[Any]) -> set[str]:
    found = set()
    for test in document["tests"]:
        found |= {each["alertname"] for each in test.get("alert_rule_test", ())}
        for each in test.get("promql_expr_test", ()):
            found |= set(_NAME.findall(each["expr"]))
            for matchers in _ALERTS.findall(each["expr"]):
                found |= {_name(rule) for rule in rules if _is_let_through(rule, matchers)}
    return found


def _is_let_through(rule: Any, matchers: str) -> bool:
    """Whether an alert of the rule may have the labels; only those that the rule sets decide."""
    labels = {**rule.get("labels", {}), "alertname": rule.get("alert")}
    return "alert" in rule and all(
        re.fullmatch(value if operator == "=~" else re.escape(value), str(labels[label]))
        for label, operator, value in _MATCHER.findall(matchers)
        if label in labels
    )


def _rules(file: Any) -> Iterator[Any]:
    for group in file["groups"]:
        yield from group["rules"]


def _name(rule: Any) -> str:
    return str(rule.get("alert") or rule["record"])
