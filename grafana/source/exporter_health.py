"""The exporter's own health: is everything imported, in time, and by what means?"""

from grafana_foundation_sdk.models.dashboard import Panel

from exporter.metrics import families
from exporter.metrics.families import Family
from grafana.source import variables
from grafana.source.annotations import alerts
from grafana.source.chart import AS_NEEDED, chart
from grafana.source.dashboard import Dashboard, Section, Service, Uid
from grafana.source.panel import PLAIN, PanelOptions, Query, Steps
from grafana.source.promql import (
    CPU,
    MEMORY,
    OPEN_FILES,
    SCRAPE_DURATION,
    SCRAPE_SAMPLES,
    STARTED,
    TARGET,
    UP,
    by_service,
    of_exporters,
    selector,
)
from grafana.source.stat import NO_WORDS, Words, stat
from grafana.source.steps import NOT_APPLICABLE
from grafana.source.style import (
    BAD,
    BLUE,
    GOOD,
    GREEN,
    GREY,
    ORANGE,
    VERMILLION,
    WARNING,
    colour,
    of_query,
    result_colours,
)
from grafana.source.table import Column, table

_AN_IMPORT = "10m"  # at least one import falls into it, at the default of one in five minutes
_AN_HOUR = "1h"


def exporter_health(service: Service) -> Dashboard:
    """Lay out the exporter's own state."""
    return Dashboard(
        uid=Uid.EXPORTER,
        description="Are all interactions imported, in time, and does the exporter itself work?",
        since="now-12h",
        refresh="1m",
        variables=variables.exporters(families.BUILD_INFO),
        annotations=[alerts()],
        sections=[
            Section(title="Now", panels=_now(service)),
            Section(title="Imports", panels=_imports()),
            Section(title="Collecting", panels=_collecting()),
            Section(title="Is anything missing?", panels=_completeness()),
            Section(title="Process and scrapes", panels=_process()),
        ],
    )


def _now(service: Service) -> list[Panel]:
    limits = service.thresholds
    works: Steps = ((None, BAD), (1, GOOD))
    state: Words = {"0": ("down", BAD), "1": ("OK", GOOD)}
    return [
        _tile(
            "Exporters up",
            "Exporters that answered the last scrape.",
            Query(expr=f"sum({of_exporters(selector(UP))}) or vector(0)"),
            steps=works,
            words={"0": ("none", BAD)},
        ),
        _tile(
            "Source",
            "Whether the exporter's last use of the source worked. Not applicable where"
            " interactions are collected only.",
            Query(expr=selector(families.SOURCE_UP), legend="{{instance}}"),
            words=state,
            absent=NOT_APPLICABLE,
        ),
        _tile(
            "Store",
            "Whether the exporter's last reading and last writing of the store worked.",
            Query(expr=selector(families.STORE_UP), legend="{{instance}}"),
            words=state,
        ),
        _tile(
            "Configuration",
            "Whether the exporter last read its configuration without an error. If not, it goes on"
            " with the one before.",
            Query(expr=selector(families.RELOAD_SUCCESSFUL), legend="{{instance}}"),
            words={"0": ("refused", BAD), "1": ("OK", GOOD)},
        ),
        _tile(
            "Last import",
            "How long ago an import last succeeded, whichever exporter made it.",
            Query(expr=_age(families.IMPORT_LAST_SUCCESS)),
            unit="s",
            steps=((None, GOOD), (limits.import_age_seconds, BAD)),
            absent="none yet",
        ),
        _tile(
            "Last snapshot",
            "How long ago the freshest exporter computed its KPIs.",
            Query(expr=_age(families.SNAPSHOT_TIME)),
            unit="s",
            steps=((None, GOOD), (limits.snapshot_age_seconds, BAD)),
            absent="none yet",
        ),
        _tile(
            "Missing",
            "Interactions that the source holds and that are not accounted for here. Some always"
            " are, for late ones wait to be fetched; an alert tells when they are too many.",
            Query(expr=_most(families.MISSING)),
            absent=NOT_APPLICABLE,
        ),
        _tile(
            "Rebuilt",
            "Share of the stored interactions whose tallies are built under changed definitions;"
            " 100% when nothing is pending. KPIs keep to the active definitions until then.",
            Query(expr=by_service("min", selector(families.REBUILD))),
            unit="percentunit",
            steps=((None, WARNING), (1, GOOD)),
        ),
    ]


def _tile(
    title: str,
    description: str,
    query: Query,
    *,
    unit: str = "short",
    steps: Steps = PLAIN,
    words: Words = NO_WORDS,
    absent: str = "no sample",
) -> Panel:
    return stat(
        PanelOptions(title=title, description=description, width=6, height=4),
        query,
        unit=unit,
        steps=steps,
        words=words,
        absent=absent,
    )


def _imports() -> list[Panel]:
    return [
        chart(
            PanelOptions(
                title="Interactions fetched",
                description="Per minute, by what became of them. Duplicates are normal: each"
                " import overlaps the one before. Ignored are those without events.",
            ),
            Query(expr=f"60 * {_rates(families.IMPORT_INTERACTIONS)}", legend="{{result}}"),
            unit="cpm",
            interval=_AN_IMPORT,
            overrides=result_colours(),
        ),
        chart(
            PanelOptions(
                title="Imports", description="Imports that ended, per hour and by result."
            ),
            Query(expr=f"3600 * {_rates(families.IMPORT_RUNS)}", legend="{{result}}"),
            unit="short",
            interval=_AN_IMPORT,
            overrides=result_colours(),
        ),
        chart(
            PanelOptions(
                title="Duration of imports",
                description="How long imports took: the mean, and what 95 of 100 stay below.",
            ),
            Query(expr=_mean(families.IMPORT_DURATION), legend="mean"),
            Query(expr=_quantile(0.95, families.IMPORT_DURATION), legend="95 of 100"),
            unit="s",
            interval=_AN_IMPORT,
            overrides=[of_query("A", colour(BLUE)), of_query("B", colour(ORANGE))],
        ),
        chart(
            PanelOptions(
                title="Lateness of interactions",
                description="How long after their timestamp interactions were imported, the first"
                " import aside: half and 95 of 100 stay below. Browsers send an interaction when"
                " its user opens the next dialog, so days are normal.",
            ),
            Query(expr=_quantile(0.5, families.LATENESS), legend="half"),
            Query(expr=_quantile(0.95, families.LATENESS), legend="95 of 100"),
            unit="s",
            interval=_AN_HOUR,
            overrides=[of_query("A", colour(BLUE)), of_query("B", colour(ORANGE))],
        ),
        chart(
            PanelOptions(
                title="Late interactions",
                description="Per hour: imported behind the newest hour that was already complete,"
                " so that KPIs of the past moved.",
            ),
            Query(expr=f"3600 * {_rates(families.IMPORT_LATE)}", legend="late"),
            unit="short",
            interval=_AN_HOUR,
            overrides=[of_query("A", colour(BLUE))],
        ),
        chart(
            PanelOptions(
                title="Age of the data",
                description="How long ago: the newest interaction, the last import that succeeded"
                " and the last snapshot. A line that rises by an hour an hour stands still.",
            ),
            Query(expr=_age(families.NEWEST_INTERACTION), legend="newest interaction"),
            Query(expr=_age(families.IMPORT_LAST_SUCCESS), legend="last import"),
            Query(expr=_age(families.SNAPSHOT_TIME), legend="last snapshot"),
            unit="s",
            overrides=[
                of_query("A", colour(ORANGE)),
                of_query("B", colour(BLUE)),
                of_query("C", colour(GREEN)),
            ],
        ),
    ]


def _collecting() -> list[Panel]:
    return [
        chart(
            PanelOptions(
                title="Requests by answer",
                description="Requests of dialogs per minute, by the answer's code: 201 is stored,"
                " 429 too many, 503 not stored and to be sent again. Not applicable without"
                " `collect` in the configuration.",
                width=8,
            ),
            Query(expr=f"60 * {_rates(families.COLLECT_REQUESTS)}", legend="{{code}}"),
            unit="cpm",
            absent=NOT_APPLICABLE,
        ),
        chart(
            PanelOptions(
                title="Interactions collected",
                description="Per minute, by what became of them.",
                width=8,
            ),
            Query(expr=f"60 * {_rates(families.COLLECT_INTERACTIONS)}", legend="{{result}}"),
            unit="cpm",
            absent=NOT_APPLICABLE,
            overrides=result_colours(),
        ),
        chart(
            PanelOptions(
                title="Time to answer",
                description="How long dialogs wait until what they sent is stored: the mean, and"
                " what 99 of 100 stay below.",
                width=8,
            ),
            Query(expr=_mean(families.COLLECT_DURATION), legend="mean"),
            Query(expr=_quantile(0.99, families.COLLECT_DURATION), legend="99 of 100"),
            unit="s",
            absent=NOT_APPLICABLE,
            overrides=[of_query("A", colour(BLUE)), of_query("B", colour(ORANGE))],
        ),
    ]


def _completeness() -> list[Panel]:
    return [
        chart(
            PanelOptions(
                title="Held by source and store",
                description="Interactions that each holds. The store keeps what the source"
                " deletes; no line where the source cannot count.",
            ),
            Query(expr=_most(families.SOURCE_INTERACTIONS), legend="source"),
            Query(expr=_most(families.STORE_INTERACTIONS), legend="store"),
            unit="short",
            axis=AS_NEEDED,
            overrides=[of_query("A", colour(ORANGE)), of_query("B", colour(BLUE))],
        ),
        chart(
            PanelOptions(
                title="Missing and out of reach",
                description="Held by the source and not accounted for here: still to be fetched"
                " (missing), or before the history or returned by no request (out of reach).",
            ),
            Query(expr=_most(families.MISSING), legend="missing"),
            Query(expr=_most(families.UNREACHABLE), legend="out of reach"),
            unit="short",
            overrides=[of_query("A", colour(VERMILLION)), of_query("B", colour(GREY))],
        ),
        chart(
            PanelOptions(
                title="Rejected",
                description="Interactions refused and quarantined, by reason:"
                " `kpi-exporter rejected` shows them.",
            ),
            Query(expr=_most(families.REJECTED), legend="{{reason}}"),
            unit="short",
        ),
        chart(
            PanelOptions(
                title="Expected to be in",
                description="By window: the share of its interactions expected to have arrived,"
                " by how late they came in the past.",
            ),
            Query(expr=_most(families.COMPLETENESS), legend="{{window}}"),
            unit="percentunit",
        ),
    ]


def _process() -> list[Panel]:
    return [
        _each("Memory", "Resident memory of each exporter.", selector(MEMORY), unit="bytes"),
        _each(
            "CPU",
            "Processors that each exporter keeps busy.",
            f"rate({selector(CPU)}[$__rate_interval])",
        ),
        _each("Open files", "File descriptors of each exporter.", selector(OPEN_FILES)),
        _each(
            "Scrape time",
            "How long Prometheus waited for each exporter.",
            selector(SCRAPE_DURATION),
            unit="s",
            width=12,
        ),
        _each("Samples", "Samples in each exporter's scrape.", selector(SCRAPE_SAMPLES), width=12),
        table(
            PanelOptions(
                title="Running",
                description="Each exporter's version, and the digest of its flows and"
                " segmentations: exporters on one store have to agree on it.",
                width=24,
                height=5,
            ),
            Column(title="Instance", label="instance"),
            Column(title="Version", label="version"),
            Column(title="Python", label="python_version"),
            Column(title="Definitions", label="definitions"),
            Column(
                title="Started",
                expr=f"1000 * {selector(STARTED)}\n* on ({TARGET}) group_left"
                f" (version, python_version, definitions) {selector(families.BUILD_INFO)}",
                unit="dateTimeFromNow",
            ),
            order=["Instance"],
            descending=False,
        ),
    ]


def _each(title: str, description: str, expr: str, *, unit: str = "short", width: int = 8) -> Panel:
    return chart(
        PanelOptions(title=title, description=description, width=width),
        Query(expr=of_exporters(expr), legend="{{instance}}"),
        unit=unit,
    )


def _age(metric: Family) -> str:
    return f"time() - {_most(metric)}"


def _most(metric: Family) -> str:
    return by_service("max", selector(metric), *metric.labels)


def _rates(counter: Family) -> str:
    """Per second, by all exporters together: each interaction is imported by one of them."""
    return by_service("sum", _rate(counter), *counter.labels)


def _rate(metric: Family, suffix: str = "") -> str:
    return f"rate({selector(metric, suffix=suffix)}[$__rate_interval])"


def _mean(histogram: Family) -> str:
    total, count = (
        by_service("sum", _rate(histogram, suffix), *histogram.labels)
        for suffix in ("_sum", "_count")
    )
    return f"{total}\n/\n({count} > 0)"


def _quantile(share: float, histogram: Family) -> str:
    buckets = by_service("sum", _rate(histogram, "_bucket"), *histogram.labels, "le")
    return f"histogram_quantile({share}, {buckets})"
