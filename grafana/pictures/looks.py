"""How a panel's JSON says that its values look: names, colours, lines, units."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, isnan
from typing import Any

from grafana.queries import Json

_PLAIN = "#0072B2"
_THOUSAND = 1000
_UNNAMED = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one series looks like."""

    name: str
    colour: str
    dashed: bool
    width: float
    filled: float
    stacked: bool
    fill_below_to: str
    unit: str
    steps: tuple[tuple[float, str], ...]


def look(panel: Json, ref_id: str, labels: Mapping[str, str], legend: str, place: int) -> Look:
    """Apply a panel's defaults and overrides to a series, in their order."""
    defaults = panel["fieldConfig"]["defaults"]
    custom = defaults.get("custom", {})
    properties: dict[str, Any] = {
        "unit": defaults["unit"],
        "thresholds": defaults.get("thresholds"),
        "custom.lineWidth": custom.get("lineWidth", 1),
    }
    for override in panel["fieldConfig"]["overrides"]:
        if _matches(override["matcher"], ref_id, legend):
            properties |= {each["id"]: each["value"] for each in override["properties"]}
    steps = tuple(
        (-float("inf") if step["value"] is None else step["value"], step["color"])
        for step in (properties["thresholds"] or {"steps": []})["steps"]
    )
    return Look(
        name=_named(properties.get("displayName", legend), labels),
        colour=properties.get("color", {}).get("fixedColor", _UNNAMED[place % len(_UNNAMED)]),
        dashed="custom.lineStyle" in properties,
        width=properties["custom.lineWidth"],
        filled=properties.get("custom.fillOpacity", 0) / 100,
        stacked="custom.stacking" in properties,
        fill_below_to=properties.get("custom.fillBelowTo", ""),
        unit=properties["unit"],
        steps=steps,
    )


def _matches(matcher: Json, ref_id: str, name: str) -> bool:
    kind, options = matcher["id"], matcher["options"]
    return (
        (kind == "byType" and options == "number")
        or (kind == "byFrameRefID" and options == ref_id)
        or (kind == "byName" and options == name)
        or (kind == "byRegexp" and re.search(options[1:-1], name) is not None)
    )


def legend_of(template: str, labels: Mapping[str, str], values: Mapping[str, Any]) -> str:
    """Fill labels and variables into a legend."""
    text = re.sub(r"\{\{(\w+)\}\}", lambda match: labels.get(match[1], ""), template)
    return re.sub(r"\$(\w+)", lambda match: str(values.get(match[1], match[0])), text)


def _named(name: str, labels: Mapping[str, str]) -> str:
    return re.sub(r"\$\{__field\.labels\.(\w+)\}", lambda match: labels.get(match[1], ""), name)


def colour_at(steps: tuple[tuple[float, str], ...], value: float) -> str:
    """Return the colour of the last threshold that a value reaches."""
    return next((paint for least, paint in reversed(steps) if value >= least), _PLAIN)


def written(value: float, unit: str, now: float, decimals: int | None = None) -> str:
    """Write a value in its unit, short."""
    if isnan(value):
        return "no sample"
    if unit == "percentunit":
        return f"{100 * value:.{1 if decimals is None else decimals}f}%"
    if unit == "s":
        return _duration(value)
    if unit == "dateTimeFromNow":
        return f"{_duration(now - value / 1000)} ago"
    if unit == "bytes":
        return f"{value / 2**20:.1f} MiB"
    if isfinite(value) and abs(value) >= _THOUSAND:
        return f"{value / _THOUSAND:.3g} K"
    return f"{value:.{decimals}f}" if decimals is not None else f"{value:.3g}"


def _duration(seconds: float) -> str:
    for unit, length in (("days", 86_400), ("hours", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"
