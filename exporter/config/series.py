"""How many series a configuration exposes: families times labels, counted before any is made."""

from collections.abc import Mapping, Sequence

from exporter.config.values import Configuration, Window
from exporter.domain.definitions import Definitions
from exporter.domain.interaction import Reason
from exporter.domain.kpis import KPIS, NO_COUNTS, Counted
from exporter.domain.layout import Layout
from exporter.domain.reports import Milestone
from exporter.families import (
    IMPORT_DURATION,
    IMPORT_INTERACTIONS,
    IMPORT_RUNS,
    MILESTONE,
    OPERATIONS,
    REJECTED,
    SEGMENTS,
    TOTALS,
)

_BY_RESULT = {IMPORT_RUNS.name: 2, IMPORT_INTERACTIONS.name: 4, REJECTED.name: len(Reason)}
_HISTOGRAM = {IMPORT_DURATION.name: 16}  # buckets, sum and count
_PROCESS = 20  # process_* and python_*, about
_CONTRIBUTORS = 5  # named in a message


def series(configuration: Configuration) -> int:
    """Say how many series `/metrics` will have."""
    return sum(
        by_family(
            configuration.definitions, configuration.windows, configuration.milestones
        ).values()
    )


def by_family(
    definitions: Definitions, windows: Sequence[Window], milestones: Sequence[Milestone]
) -> Mapping[str, int]:
    """Say how many series each family will have; those of the process as one."""
    layout = Layout.of(definitions)
    nothing = Counted(NO_COUNTS, layout, definitions)
    segments = len(layout.rows) - 1
    found = {}
    for family in (*TOTALS, *SEGMENTS):
        combinations = sum(1 for _ in KPIS[family.kpi].compute(nothing))
        times = segments if family.segmented else 1
        found[family.name] = len(windows) * combinations * times
    found[MILESTONE.name] = len(milestones)
    for family in OPERATIONS:
        found[family.name] = {**_BY_RESULT, **_HISTOGRAM}.get(family.name, 1)
    found["process_* and python_*"] = _PROCESS
    return found
