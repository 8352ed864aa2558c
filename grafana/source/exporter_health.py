"""The exporter's own health: is everything imported, in time, and by what means?"""

from grafana_foundation_sdk.models.dashboard import Panel

from exporter.metrics import families
from exporter.metrics.families import Family
from grafana.source import variables
from grafana.source.annotations import alerts
from grafana.source.dashboard import Dashboard, Section, Service, Uid
from grafana.source.panels import PLAIN, Column, PanelOptions, Query, Steps, chart, stat, table
from grafana.source.promql import (
    CPU,
    MEMORY,
    OPEN_FILES,
    SCRAPE_DURATION,
    SCRAPE_SAMPLES,
    STARTED,
    UP,
    Foreign,
    of_exporters,
    selector,
)
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

_AN_IMPORT = "10m"  # at least one import falls into it, at the default of one in five minutes
_AN_HOUR = "1h"


def exporter_health(service: Service) -> Dashboard:
    """Lay out the exporter's own state."""
    return Dashboard(
        uid=Uid.EXPORTER,
        title="Sign-in: exporter health",
        description="Are all interactions imported, in time, and does the exporter itself work?",
        since="now-12h",
        refresh="1m",
        variables=variables.exporters(families.BUILD_INFO),
        annotations=[alerts()],
        sections=[
            Section(title="Now", panels=_now(service)),
            Section(title="Imports", panels=_imports()),
            Section(title="Is anything missing?", panels=_completeness()),
            Section(title="Process and scrapes", panels=_process()),
        ],
    )


def _now(service: Service) -> list[Panel]:
    limits = service.thresholds
    works: Steps = ((None, BAD), (1, GOOD))
    return [
        _tile(
            "Exporters up",
            "Exporters that answered the last scrape.",
            f"sum({of_exporters(selector(UP))}) or vector(0)",
            steps=works,
        ),
        _tile(
            "Source up",
            "1 if the exporter's last use of the source worked.",
            selector(families.SOURCE_UP),
            legend="{{instance}}",
            steps=works,
        ),
        _tile(
            "Store up",
            "1 if the exporter's last reading and last writing of the store worked.",
            selector(families.STORE_UP),
            legend="{{instance}}",
            steps=works,
        ),
        _tile(
            "Configuration read",
            "1 if the exporter last read its configuration without a problem. If not, it goes on"
            " with the one before.",
            selector(families.RELOAD_SUCCESSFUL),
            legend="{{instance}}",
            steps=works,
        ),
        _tile(
            "Last import",
            "How long ago an import last succeeded, whichever exporter made it.",
            _age(families.IMPORT_LAST_SUCCESS),
            unit="s",
            steps=((None, GOOD), (limits.import_age_seconds, BAD)),
        ),
        _tile(
            "Last snapshot",
            "How long ago the freshest exporter computed its KPIs.",
            _age(families.SNAPSHOT_TIME),
            unit="s",
            steps=((None, GOOD), (limits.snapshot_age_seconds, BAD)),
        ),
        _tile(
            "Missing",
            "Interactions that the source holds and that are not accounted for here. Some always"
            " are, for late ones wait to be fetched; an alert tells when they are too many.",
            f"max without (instance) ({selector(families.MISSING)})",
        ),
        _tile(
            "Counted anew",
            "Share of the stored interactions that are counted under changed definitions; 100%"
            " when nothing is pending. KPIs keep to the old definitions until then.",
            f"min without (instance) ({selector(families.REBUILD)})",
            unit="percentunit",
            steps=((None, WARNING), (1, GOOD)),
        ),
    ]


def _tile(
    title: str,
    description: str,
    expr: str,
    *,
    legend: str = "",
    unit: str = "short",
    steps: Steps = PLAIN,
) -> Panel:
    return stat(
        PanelOptions(title=title, description=description, width=3, height=5),
        Query(expr=expr, legend=legend),
        unit=unit,
        steps=steps,
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
            minimum=0,
            interval=_AN_IMPORT,
            overrides=result_colours(),
        ),
        chart(
            PanelOptions(
                title="Imports", description="Imports that ended, per hour and by result."
            ),
            Query(expr=f"3600 * {_rates(families.IMPORT_RUNS)}", legend="{{result}}"),
            unit="short",
            minimum=0,
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
            minimum=0,
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
            minimum=0,
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
            minimum=0,
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
            minimum=0,
            overrides=[
                of_query("A", colour(ORANGE)),
                of_query("B", colour(BLUE)),
                of_query("C", colour(GREEN)),
            ],
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
            minimum=0,
            overrides=[of_query("A", colour(VERMILLION)), of_query("B", colour(GREY))],
        ),
        chart(
            PanelOptions(
                title="Rejected",
                description="Interactions refused and kept aside, by reason:"
                " `kpi-exporter rejected` shows them.",
            ),
            Query(expr=_most(families.REJECTED), legend="{{reason}}"),
            unit="short",
            minimum=0,
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
        _each("Memory", "Resident memory of each exporter.", MEMORY, unit="bytes"),
        chart(
            PanelOptions(
                title="CPU",
                description="Processors that each exporter keeps busy.",
                width=8,
            ),
            Query(
                expr=of_exporters(f"rate({selector(CPU)}[$__rate_interval])"),
                legend="{{instance}}",
            ),
            unit="short",
            minimum=0,
        ),
        _each("Open files", "File descriptors of each exporter.", OPEN_FILES, unit="short"),
        _each(
            "Scrape time",
            "How long Prometheus waited for each exporter.",
            SCRAPE_DURATION,
            unit="s",
        ),
        _each("Samples", "Samples in each exporter's scrape.", SCRAPE_SAMPLES, unit="short"),
        table(
            PanelOptions(
                title="Running",
                description="Each exporter's version, and the digest of its flows and"
                " segmentations: exporters on one store have to agree on it.",
                width=8,
            ),
            Column(title="Instance", label="instance"),
            Column(title="Version", label="version"),
            Column(title="Python", label="python_version"),
            Column(title="Definitions", label="definitions"),
            Column(
                title="Started",
                expr=f"1000 * {selector(STARTED)}\n* on (job, instance) group_left"
                f" (version, python_version, definitions) {selector(families.BUILD_INFO)}",
                unit="dateTimeFromNow",
            ),
            order=["Instance"],
            descending=False,
        ),
    ]


def _each(title: str, description: str, metric: Foreign, *, unit: str) -> Panel:
    return chart(
        PanelOptions(title=title, description=description, width=8),
        Query(expr=of_exporters(selector(metric)), legend="{{instance}}"),
        unit=unit,
        minimum=0,
    )


def _age(metric: Family) -> str:
    return f"time() - max without (instance) ({selector(metric)})"


def _most(metric: Family) -> str:
    return f"max without (instance) ({selector(metric)})"


def _rates(counter: Family) -> str:
    """Per second, by all exporters together: each interaction is imported by one of them."""
    return f"sum without (instance) (rate({selector(counter)}[$__rate_interval]))"


def _mean(histogram: Family) -> str:
    total, count = (
        f"sum without (instance) (rate({selector(histogram, suffix=suffix)}[$__rate_interval]))"
        for suffix in ("_sum", "_count")
    )
    return f"{total}\n/\n({count} > 0)"


def _quantile(share: float, histogram: Family) -> str:
    buckets = selector(histogram, suffix="_bucket")
    return (
        f"histogram_quantile({share}, sum without (instance) (rate({buckets}[$__rate_interval])))"
    )
