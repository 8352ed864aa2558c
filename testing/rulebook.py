"""The rules as data: what the files under prometheus/ say, and which series they name."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

CHECKOUT = Path(__file__).parents[1]
PROMETHEUS = CHECKOUT / "prometheus"
RULE_FILES = tuple(sorted((PROMETHEUS / "rules").glob("*.yml")))
UNIT_TESTS = tuple(sorted((PROMETHEUS / "tests").glob("*.yml")))
RUNBOOKS = CHECKOUT / "docs/runbooks"

_SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)?\{([^{}]*)\}")
_MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"')
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^()]*)\)")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_RANGE = re.compile(r"\[[^\]]*\]")
_NAME = re.compile(r"[a-zA-Z_:][\w:]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """A choice of series in an expression; `matchers` are (label, operator, value)."""

    name: str
    matchers: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A recording rule, or an alert: `name` is what it records or how it is called."""

    name: str
    is_alert: bool
    expr: str
    labels: dict[str, str]
    annotations: dict[str, str]
    raw: dict[str, Any]

    def names(self) -> set[str]:
        """Every metric that the expression names, other rules' among them."""
        bare = _RANGE.sub("", _STRING.sub('""', self.expr))
        return {name for name in _NAME.findall(bare) if ":" in name or _is_metric(name)}

    def selectors(self) -> Iterator[Selector]:
        for name, matchers in _SELECTOR.findall(self.expr):
            found = tuple(_MATCHER.findall(matchers))
            chosen = {label: value for label, _, value in found}
            yield Selector(
                name=name or chosen["__name__"],
                matchers=tuple(each for each in found if each[0] != "__name__"),
            )

    def grouping_labels(self) -> set[str]:
        """Labels that the expression joins or aggregates by."""
        lists = _GROUPING.findall(self.expr)
        return {label.strip() for labels in lists for label in labels.split(",") if label.strip()}


def _is_metric(name: str) -> bool:
    return name == "up" or name.startswith(("kpi_", "couchdb_", "process_", "python_"))


class _Loader(yaml.SafeLoader):
    """Reads YAML as promtool does: `0x100` is a hundred times zero, and no number."""


_INTEGER = "tag:yaml.org,2002:int"
_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in resolvers if tag != _INTEGER]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_INTEGER, re.compile(r"[-+]?\d+$"), list("-+0123456789"))


def read_yaml(path: Path) -> Any:
    return yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 -- a safe one


@cache
def rules_of(file: str) -> tuple[Rule, ...]:
    """The rules of one file, named without its ending, in the order in which they stand."""
    return tuple(
        Rule(
            name=raw.get("alert") or raw["record"],
            is_alert="alert" in raw,
            expr=str(raw["expr"]),
            labels=raw.get("labels", {}),
            annotations=raw.get("annotations", {}),
            raw=raw,
        )
        for group in read_yaml(PROMETHEUS / f"rules/{file}.yml")["groups"]
        for raw in group["rules"]
    )


@cache
def rules() -> tuple[Rule, ...]:
    """All rules of all files."""
    return tuple(rule for path in RULE_FILES for rule in rules_of(path.stem))


@cache
def alerts() -> tuple[Rule, ...]:
    return tuple(rule for rule in rules() if rule.is_alert)


@cache
def recorded() -> tuple[Rule, ...]:
    return tuple(rule for rule in rules() if not rule.is_alert)
