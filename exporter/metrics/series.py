"""How many series a configuration exposes: families times labels, counted before any is made."""

from collections.abc import Mapping, Sequence

from exporter.domain.definitions import Definitions
from exporter.domain.kpis import KPIS
from exporter.domain.layout import Layout
from exporter.domain.reports import Milestone
from exporter.domain.windows import Window
from exporter.metrics.collecting import BUCKETS_SECONDS, CODES
from exporter.metrics.families import (
    COLLECT,
    COLLECT_DURATION,
    COLLECT_INTERACTIONS,
    COLLECT_REQUESTS,
    IMPORT_DURATION,
    IMPORT_INTERACTIONS,
    IMPORT_RUNS,
    LATENESS,
    MILESTONE,
    OPERATIONS,
    QUIET_DAY,
    REJECTED,
    SEGMENTS,
    SOURCE,
    TOTALS,
)
from exporter.metrics.status import Status
from exporter.ports import RESULTS

_SUM_AND_COUNT = 2  # of a histogram, beside its buckets
_PROCESS = 16  # process_* and python_*: what the client library finds on Linux


def series_by_family(
    definitions: Definitions,
    windows: Sequence[Window],
    milestones: Sequence[Milestone],
    *,
    importing: bool = True,
    collecting: bool = False,
) -> Mapping[str, int]:
    """Return how many series each family will have; those about the process count as one family.

    `importing`: whether there is a source; `collecting`: whether interactions may be posted.
    """
    absent = (*(() if importing else SOURCE), *(() if collecting else COLLECT))
    found = {
        **_kpis(definitions, windows),
        **_status(windows),
        MILESTONE.name: len(milestones),
        QUIET_DAY.name: sum(milestone.quiet for milestone in milestones),
        "process_* and python_*": _PROCESS,
    }
    for family in absent:
        del found[family.name]
    return found


def _kpis(definitions: Definitions, windows: Sequence[Window]) -> dict[str, int]:
    layout = Layout.of(definitions)
    segments = len(layout.segments) - 1
    found = {}
    for family in (*TOTALS, *SEGMENTS):
        combinations = len(KPIS[family.kpi].formulas(layout))
        rows = (
            segments * sum(window.by_segment for window in windows)
            if family.segmented
            else len(windows)
        )
        found[family.name] = rows * combinations
    return found


def _status(windows: Sequence[Window]) -> dict[str, int]:
    state = Status()
    found = {family.name: len(windows) if "window" in family.labels else 1 for family in OPERATIONS}
    found[IMPORT_RUNS.name] = len(state.runs)
    found[IMPORT_INTERACTIONS.name] = len(state.interactions)
    found[REJECTED.name] = len(state.rejected)
    found[IMPORT_DURATION.name] = len(state.durations.counts) + _SUM_AND_COUNT
    found[COLLECT_REQUESTS.name] = len(CODES)
    found[COLLECT_INTERACTIONS.name] = len(RESULTS)
    found[COLLECT_DURATION.name] = len(BUCKETS_SECONDS) + 1 + _SUM_AND_COUNT
    found[LATENESS.name] = len(state.lateness.counts) + _SUM_AND_COUNT
    return found
