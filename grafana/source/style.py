"""Colours and styles: what people who are blind to some colours can still tell apart."""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import TypeAlias

from grafana_foundation_sdk.builders.dashboard import DashboardFieldConfigSourceOverrides
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue, MatcherConfig

from exporter.domain.definitions import OTHER, Definitions
from exporter.domain.outcome import Outcome

Override: TypeAlias = DashboardFieldConfigSourceOverrides

# Okabe and Ito's palette without its yellow and black, which vanish on one of Grafana's themes.
BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"
PURPLE, SKY, VERMILLION = "#CC79A7", "#56B4E9", "#D55E00"
PALETTE = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION)
GREY = "#6E6E6E"
GOOD, WARNING, BAD = GREEN, ORANGE, VERMILLION

_RESULTS = {
    "imported": BLUE,
    "success": BLUE,
    "duplicate": GREY,
    "ignored": SKY,
    "rejected": VERMILLION,
    "failure": VERMILLION,
}


def colour(fixed: str) -> dict[str, object]:
    """Return the property that paints a series in one colour."""
    return {"color": {"mode": "fixed", "fixedColor": fixed}}


DASHED = {"fill": "dash", "dash": [10, 8]}
BEFORE = {**colour(GREY), "custom.lineStyle": DASHED, "custom.lineWidth": 1}
"""Something to compare with: the week before, or all interactions."""

AREA = "area"
LINES = "lines"

_OUTCOMES = {
    Outcome.ASSERTION: BLUE,
    Outcome.FALLBACK: GREEN,
    Outcome.IDP: SKY,
    Outcome.CONTINUED: PURPLE,
    Outcome.FAIL: VERMILLION,
    Outcome.BOUNCE: ORANGE,
}


def override(matcher: str, options: object, properties: Mapping[str, object]) -> Override:
    """Change properties of the fields that a matcher of Grafana's finds."""
    return (
        Override()
        .matcher(MatcherConfig(id_val=matcher, options=options))
        .properties([DynamicConfigValue(id_val=id_, value=v) for id_, v in properties.items()])
    )


def of_query(ref_id: str, properties: Mapping[str, object]) -> Override:
    """Change properties of what one query returned."""
    return override("byFrameRefID", ref_id, properties)


def of_column(name: str, properties: Mapping[str, object]) -> Override:
    """Change properties of a table's column."""
    return override("byName", name, properties)


def segment_colours(definitions: Definitions) -> list[Override]:
    """Paint segments so that those of a segmentation differ, `Other` grey."""
    return _apart([one.segments for one in definitions.segmentations])


def step_colours(definitions: Definitions) -> list[Override]:
    """Paint steps so that those of a flow differ."""
    return _apart([[step.name for step in flow.steps] for flow in definitions.flows])


def outcome_colours() -> list[Override]:
    """Paint outcomes."""
    return [_named([outcome], colour(paint)) for outcome, paint in _OUTCOMES.items()]


def result_colours() -> list[Override]:
    """Paint what became of imports and of what they fetched."""
    return [_named([result], colour(paint)) for result, paint in _RESULTS.items()]


_FILLED: Mapping[str, object] = {"custom.fillOpacity": 20}
_STACKED: Mapping[str, object] = {
    "custom.fillOpacity": 50,
    "custom.stacking": {"mode": "normal", "group": "A"},
}


def stacked() -> Override:
    """Stack all series as areas."""
    return override("byType", "number", _STACKED)


def drawn(*, counts: bool) -> Override:
    """Fill what the variable `drawn` says is an area, its name ends in that word; stack counts."""
    return override("byRegexp", f"/ {AREA}$/", _STACKED if counts else _FILLED)


def shown_as(name: str) -> Override:
    """Name the series; the last override, for those before it look at the query's own name."""
    return override("byType", "number", {"displayName": name})


def _apart(lists: Sequence[Sequence[str]]) -> list[Override]:
    """Paint names so that no two of one list look alike: solid lines first, then dashed ones."""
    seen: dict[str, int] = {}
    for names in lists:
        for name in names:
            if name not in seen and name != OTHER:
                together = {n for each in lists if name in each for n in each}
                taken = {seen[other] for other in together if other in seen}
                seen[name] = next(n for n in count() if n not in taken)
    result = [_named([OTHER], colour(GREY))]
    for place in sorted(set(seen.values())):
        properties = colour(PALETTE[place % len(PALETTE)])
        if place >= len(PALETTE):
            properties["custom.lineStyle"] = DASHED
        result.append(_named([name for name, at in seen.items() if at == place], properties))
    return result


def _named(names: Iterable[str], properties: Mapping[str, object]) -> Override:
    """Change the series of these names, whatever word says how they are drawn."""
    alternatives = "|".join(_SPECIAL.sub(r"\\\g<0>", name) for name in names)
    return override("byRegexp", f"/^({alternatives})( {LINES}| {AREA})?$/", properties)


_SPECIAL = re.compile(r"[$^*{}\[\]+?.()|/\\]")
