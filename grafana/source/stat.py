"""Values at the end of the time range, in large figures."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from grafana_foundation_sdk.builders import common
from grafana_foundation_sdk.builders import stat as sdk_stat
from grafana_foundation_sdk.builders.dashboard import FieldColor
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    BigValueTextMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardSpecialValueMapOptions,
    FieldColorModeId,
    Panel,
    SpecialValueMap,
    SpecialValueMatch,
    ValueMap,
    ValueMappingResult,
)

from grafana.source.panel import (
    PLAIN,
    Better,
    PanelOptions,
    Query,
    Steps,
    absolute,
    put,
    thresholds,
)
from grafana.source.style import GREY, Override, of_query

Words: TypeAlias = Mapping[str, tuple[str, str]]
"""What stands for a value, and its colour."""

NO_WORDS: Words = {}


def stat(
    options: PanelOptions,
    *queries: Query,
    unit: str,
    steps: Steps = PLAIN,
    overrides: Sequence[Override] = (),
    words: Words = NO_WORDS,
    absent: str = "no sample",
) -> Panel:
    """Show values at the end of the range, both numbers of a pair at the same instant.

    `absent` stands where there is no value.
    """
    return put(
        options,
        (
            sdk_stat.Panel()
            .unit(unit)
            .thresholds(thresholds(steps))
            .color_scheme(FieldColor().mode(FieldColorModeId.THRESHOLDS))
            .color_mode(BigValueColorMode.VALUE)
            .graph_mode(BigValueGraphMode.NONE)
            .text_mode(
                BigValueTextMode.VALUE_AND_NAME if len(queries) > 1 else BigValueTextMode.AUTO
            )
            .text(common.VizTextDisplayOptions().title_size(12).value_size(24))
            .orientation(VizOrientation.HORIZONTAL)
            .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
            .mappings([*([_mapped(words)] if words else []), _absent(absent)])
            .no_value(absent)
            .overrides(list(overrides))
        ),
        [replace(query, instant=True) for query in queries],
    )


def stat_with_change(
    options: PanelOptions,
    *,
    now: str,
    change: str,
    unit: str,
    change_in: str,
    better: Better,
    steps: Steps = PLAIN,
) -> Panel:
    """Show a value and its change against the week before, with a sign.

    Grafana has no unit that writes a plus, so what rose and what fell are two queries.
    """
    legend = f"{change_in} against the week before"
    changed = {"decimals": 1, "thresholds": absolute(better.steps())}
    return stat(
        options,
        Query(expr=now, legend="now"),
        Query(expr=f"({change}) >= 0", legend=legend),
        Query(expr=f"({change}) < 0", legend=legend),
        unit=unit,
        steps=steps,
        overrides=(
            of_query("B", {**changed, "unit": "prefix:+"}),
            of_query("C", {**changed, "unit": "none"}),
        ),
    )


def _absent(text: str) -> SpecialValueMap:
    return SpecialValueMap(
        options=DashboardSpecialValueMapOptions(
            match=SpecialValueMatch.NULL_AND_NAN,
            result=ValueMappingResult(text=text, color=GREY),
        )
    )


def _mapped(words: Words) -> ValueMap:
    return ValueMap(
        options={
            value: ValueMappingResult(text=text, color=paint)
            for value, (text, paint) in words.items()
        }
    )
