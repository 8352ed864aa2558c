"""Dashboards read back: every query in them, filled in and timed as Grafana does it.

The rules are those of Grafana's templates and of its Prometheus plugin (`interpolateQueryExpr`,
`calculateRateInterval`).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]
Values: TypeAlias = Mapping[str, str | Sequence[str]]
"""What is chosen of each variable: one value, or several, or `ALL`."""

ALL = "$__all"
_VARIABLE = re.compile(r"\$(?:\{(?P<braced>\w+)(?::(?P<format>[\w:]+))?\}|(?P<plain>[A-Za-z_]\w*))")
_SPECIAL = re.compile(r"[$^*{}\[\]+?.()|]")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A query of a dashboard: a panel's, an annotation's or a variable's.

    `place` says whose; `least_step` is in seconds, 0 where nothing is said.
    """

    place: str
    ref_id: str
    expr: str
    instant: bool
    least_step: int = 0

    @property
    def variables(self) -> frozenset[str]:
        """The names of the variables in it, Grafana's own (`__range`) left out."""
        names = {_name(match) for match in _VARIABLE.finditer(self.expr)}
        return frozenset(name for name in names if not name.startswith("__"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A time range as Grafana asks for it, in Unix seconds."""

    start: int
    end: int
    step: int
    scrape_interval: int

    def own_variables(self) -> Mapping[str, str]:
        """Return the variables that Grafana defines itself."""
        rate_interval = max(self.step + self.scrape_interval, 4 * self.scrape_interval)
        return {
            "__range": f"{self.end - self.start}s",
            "__range_s": f"{self.end - self.start}",
            "__from:date:seconds": f"{self.start}",
            "__interval": f"{self.step}s",
            "__rate_interval": f"{rate_interval}s",
        }


def span(
    start: int, end: int, *, least_step: int = 0, scrape_interval: int = 30, points: int = 1000
) -> Span:
    """Cut a range into at most so many steps, aligned, none shorter than a scrape."""
    step = max(least_step, scrape_interval, -(-(end - start) // points))
    return Span(
        start=start // step * step,
        end=end // step * step,
        step=step,
        scrape_interval=scrape_interval,
    )


def panels(dashboard: Json) -> Iterator[Json]:
    """Return the panels that show something; rows do not."""
    return (panel for panel in dashboard["panels"] if panel["type"] != "row")


def queries_of(panel: Json) -> Iterator[Query]:
    """Return a panel's queries."""
    for target in panel["targets"]:
        yield Query(
            place=panel["title"],
            ref_id=target["refId"],
            expr=target["expr"],
            instant=target["instant"],
            least_step=seconds(panel.get("interval", "0s")),
        )


def annotation_queries(dashboard: Json) -> Iterator[Query]:
    """Return the annotations' queries."""
    for annotation in dashboard["annotations"]["list"]:
        yield Query(
            place=annotation["name"],
            ref_id="",
            expr=annotation["expr"],
            instant=False,
            least_step=seconds(annotation["step"]),
        )


def variables(dashboard: Json) -> Mapping[str, Json]:
    """Return the dashboard's variables by name."""
    return {variable["name"]: variable for variable in dashboard["templating"]["list"]}


def filled(expr: str, dashboard: Json, values: Values, at: Span) -> str:
    """Put values into a query. Raises `KeyError` for a variable that the dashboard lacks."""
    known = variables(dashboard)
    own = at.own_variables()

    def value(match: re.Match[str]) -> str:
        name, form = _name(match), match["format"]
        if name.startswith("__"):
            return own[f"{name}:{form}" if form else name]
        return _interpolated(known[name], values[name], form)

    return _VARIABLE.sub(value, expr)


def _name(match: re.Match[str]) -> str:
    return match["braced"] or match["plain"]


def _interpolated(variable: Json, chosen: str | Sequence[str], form: str | None) -> str:
    if chosen == ALL:
        everything: str = variable["allValue"]
        return everything
    if form not in {None, "regex"}:
        raise LookupError(form)
    if form is None and not variable.get("multi"):
        return str(chosen).replace("\\", "\\\\").replace("'", r"\\'")
    escape = _regex_escaped if form is None else _escaped_as_regex
    escaped = [escape(one) for one in ([chosen] if isinstance(chosen, str) else chosen)]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"


def _escaped_as_regex(value: str) -> str:
    """Escape a regular expression as the format `regex` does (`escapeRegex`)."""
    return re.sub(r"[\\^$*+?.()|\[\]{}/]", r"\\\g<0>", value)


def _regex_escaped(value: str) -> str:
    """Escape a regular expression, and that once more for the string it stands in."""
    return _SPECIAL.sub(r"\\\\\g<0>", value.replace("\\", "\\" * 4))


def seconds(duration: str) -> int:
    """Read a duration of one unit."""
    return int(duration[:-1]) * _SECONDS[duration[-1]]
