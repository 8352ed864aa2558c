"""Rules as single expressions: the names of recorded series replaced by what records them.

Prometheus evaluates rules as time goes on. To ask what they say of a year that is over, all at
once, what a rule reads must be in the expression or in the database. Small rules are put into the
expression; large ones, `stored`, are left as names, to be evaluated and stored first.
"""

import re
from collections.abc import Collection

from testing.rulebook import Rule, recorded

_REFERENCE = re.compile(r"(\w+:\w+:\w+)(?:\{([^{}]*)\})?")
_MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')


class NotInlined(Exception):
    """A rule chooses among series that another makes in a way that no expression can."""


class Inliner:
    """Expands expressions, but for the names of `stored` series."""

    def __init__(self, stored: Collection[str]) -> None:
        self._stored = stored
        self._rules: dict[str, list[Rule]] = {}
        for rule in recorded():
            self._rules.setdefault(rule.name, []).append(rule)

    def expand(self, expr: str) -> str:
        """Replace every name in an expression that is not stored."""
        bare = re.sub(r"#.*", "", expr)
        return _REFERENCE.sub(lambda found: self._reference(found[1], found[2] or ""), bare)

    def records(self, rule: Rule) -> str:
        """What a rule records, its own labels included."""
        made = f"({self.expand(rule.expr)})"
        for label, value in rule.labels.items():
            made = f'label_replace({made}, "{label}", "{value}", "", "")'
        return made

    def _reference(self, name: str, matchers: str) -> str:
        if name in self._stored:
            return f"{name}{{{matchers}}}"
        chosen, rest = self._rules[name], []
        for label, operator, value in _MATCHER.findall(matchers):
            if any(label in rule.labels for rule in chosen):
                if operator != "=":
                    raise NotInlined(f"{name}{{{matchers}}}")
                chosen = [rule for rule in chosen if rule.labels.get(label) == value]
            else:
                rest.append((label, operator, value))
        made = " or ".join(self.records(rule) for rule in chosen)
        for label, operator, value in rest:
            if operator not in {"=", "!=", "=~"} or not re.fullmatch(r"[\w|]*", value):
                raise NotInlined(f"{name}{{{matchers}}}")
            keep = "unless" if operator == "!=" else "and"
            values = value.split("|") if operator == "=~" else [value]
            chosen_by = " or ".join(_labelled(label, each) for each in values)
            made = f"({made}) {keep} on ({label}) ({chosen_by})"
        return f"({made})"


def _labelled(label: str, value: str) -> str:
    return f'label_replace(vector(1), "{label}", "{value}", "", "")'
