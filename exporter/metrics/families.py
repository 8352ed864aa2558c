"""The metric families this exporter exposes: the KPIs, and those about the exporter itself.

The exposition, the README's table, the Grafana dashboards and the tests of the
Prometheus rules all read this table.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from exporter.domain.kpis import KPIS

_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


@lru_cache(maxsize=10_000)
def _label(name: str, value: str) -> str:
    return f'{name}="{value.translate(_ESCAPED)}"'


class Kind(StrEnum):
    """The type that Prometheus knows a family by."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A metric family as a scrape shows it.

    `name` is the full name on `/metrics` (counters end in `_total`); `labels` stand in
    the order in which they are exposed; `help` is one sentence without the note on when
    values are computed, which `text` adds for KPIs. `kpi` names the KPI that the value is
    read from (see `exporter.domain.kpis`), empty for families about the exporter itself.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str
    kpi: str = ""
    segmented: bool = False

    def labelled(self, *values: str) -> Iterable[tuple[str, str]]:
        """Return its labels with their values."""
        return zip(self.labels, values, strict=True)

    def series(self, labels: Iterable[tuple[str, str]]) -> str:
        """Write the name of a series with its labels, as Prometheus reads it."""
        return f"{self.name}{{{','.join([_label(*label) for label in labels])}}}"

    @property
    def head(self) -> str:
        """The lines before its series."""
        text = self.text.replace("\\", r"\\").replace("\n", r"\n")
        return f"# HELP {self.name} {text}\n# TYPE {self.name} {self.kind}\n"

    @property
    def text(self) -> str:
        """HELP as exposed."""
        return (
            f"{self.help} Computed after an import, not at the scrape." if self.kpi else self.help
        )


def _gauge(name: str, text: str, *labels: str) -> Family:
    return Family(name=name, kind=Kind.GAUGE, labels=labels, help=text)


def _counter(name: str, text: str, *labels: str) -> Family:
    return Family(name=name, kind=Kind.COUNTER, labels=labels, help=text)


def _histogram(name: str, text: str) -> Family:
    return Family(name=name, kind=Kind.HISTOGRAM, labels=(), help=text)


_WINDOW = ("window",)
_SEGMENT = ("window", "segmentation", "segment")

TOTALS: tuple[Family, ...] = tuple(
    Family(
        name=f"kpi_{kpi.name}",
        kind=Kind.GAUGE,
        labels=(*_WINDOW, *kpi.labels),
        help=kpi.help,
        kpi=kpi.name,
    )
    for kpi in KPIS.values()
)
SEGMENTS: tuple[Family, ...] = tuple(
    Family(
        name=f"kpi_segment_{kpi.name}",
        kind=Kind.GAUGE,
        labels=(*_SEGMENT, *kpi.labels),
        help=f"By segment (sums make sense within one segmentation only): {kpi.help}",
        kpi=kpi.name,
        segmented=True,
    )
    for kpi in KPIS.values()
    if kpi.by_segment
)

MILESTONE = _gauge(
    "kpi_milestone_timestamp_seconds", "When the milestone happened, as configured.", "milestone"
)
QUIET_DAY = _gauge(
    "kpi_quiet_day_timestamp_seconds",
    "When the quiet day begins, as configured; it lasts 24 hours.",
    "milestone",
)


SOURCE_UP = _gauge("kpi_source_up", "1 if the last use of the source worked.")
STORE_UP = _gauge("kpi_store_up", "1 if the last reading and the last writing of the store worked.")
SOURCE_INTERACTIONS = _gauge(
    "kpi_source_interactions", "Interactions the source holds, NaN where it cannot say."
)
STORE_INTERACTIONS = _gauge("kpi_store_interactions", "Interactions the store holds.")
NEWEST_INTERACTION = _gauge(
    "kpi_newest_interaction_timestamp_seconds", "Timestamp of the newest interaction stored."
)
SNAPSHOT_TIME = _gauge("kpi_snapshot_timestamp_seconds", "When the exposed KPIs were computed.")
IMPORT_RUNS = _counter("kpi_exporter_import_runs_total", "Finished imports by result.", "result")
IMPORT_INTERACTIONS = _counter(
    "kpi_exporter_import_interactions_total",
    "Interactions fetched, by what became of them.",
    "result",
)
IMPORT_LATE = _counter(
    "kpi_exporter_import_late_interactions_total",
    "Interactions imported behind the newest hour already complete.",
)
IMPORT_DURATION = _histogram("kpi_exporter_import_duration_seconds", "How long imports took.")
IMPORT_INTERVAL = _gauge(
    "kpi_exporter_import_interval_seconds", "Time from one import to the next, as configured."
)
IMPORT_LAST_SUCCESS = _gauge(
    "kpi_exporter_import_last_success_timestamp_seconds", "When an import last succeeded."
)
IMPORT_LAST_ATTEMPT = _gauge(
    "kpi_exporter_import_last_attempt_timestamp_seconds", "When an import last began."
)
MISSING = _gauge(
    "kpi_exporter_missing_interactions",
    "Interactions held by the source and not accounted for here, NaN while unknown.",
)
UNREACHABLE = _gauge(
    "kpi_exporter_unreachable_interactions",
    "Interactions the source holds that lie before the history or that no request returns.",
)
COLLECT_REQUESTS = _counter(
    "kpi_exporter_collect_requests_total",
    "Requests to the socket that interactions are posted to, by the answer's status.",
    "code",
)
COLLECT_INTERACTIONS = _counter(
    "kpi_exporter_collect_interactions_total",
    "Interactions that were posted, by what became of them.",
    "result",
)
COLLECT_DURATION = _histogram(
    "kpi_exporter_collect_duration_seconds",
    "How long posted interactions took to be answered, from the request's first line on.",
)
LATENESS = _histogram(
    "kpi_exporter_import_lateness_seconds",
    "How long after their timestamp interactions came in, the first import aside.",
)
COMPLETENESS = _gauge(
    "kpi_expected_completeness_ratio",
    "Share of the window's interactions expected to be in already, by the lateness observed.",
    "window",
)
REJECTED = _gauge(
    "kpi_exporter_rejected_interactions",
    "Interactions rejected and kept to be looked at, by reason.",
    "reason",
)
REBUILD = _gauge(
    "kpi_exporter_recount_ratio",
    "Share of stored interactions counted under changed definitions, 1 if none are pending.",
)
RELOAD_SUCCESSFUL = _gauge(
    "kpi_exporter_config_last_reload_successful",
    "1 if the configuration was last read without an error.",
)
RELOAD_TIME = _gauge(
    "kpi_exporter_config_last_reload_success_timestamp_seconds",
    "When the configuration was last read without an error.",
)
BUILD_INFO = _gauge(
    "kpi_exporter_build_info",
    "1, with the version and the digest of flows and segmentations as labels.",
    "version",
    "python_version",
    "definitions",
)

SOURCE: tuple[Family, ...] = (
    SOURCE_UP,
    SOURCE_INTERACTIONS,
    IMPORT_RUNS,
    IMPORT_INTERACTIONS,
    IMPORT_LATE,
    IMPORT_DURATION,
    IMPORT_INTERVAL,
    IMPORT_LAST_SUCCESS,
    IMPORT_LAST_ATTEMPT,
    MISSING,
    UNREACHABLE,
)
"""Of the source and of imports from it: with `data_server` in the configuration."""

COLLECT: tuple[Family, ...] = (COLLECT_REQUESTS, COLLECT_INTERACTIONS, COLLECT_DURATION)
"""With `collect` in the configuration."""

OPERATIONS: tuple[Family, ...] = (
    STORE_UP,
    STORE_INTERACTIONS,
    NEWEST_INTERACTION,
    SNAPSHOT_TIME,
    *SOURCE,
    *COLLECT,
    LATENESS,
    COMPLETENESS,
    REJECTED,
    REBUILD,
    RELOAD_SUCCESSFUL,
    RELOAD_TIME,
    BUILD_INFO,
)
FAMILIES: tuple[Family, ...] = (*TOTALS, *SEGMENTS, MILESTONE, QUIET_DAY, *OPERATIONS)
