"""The tables of all metric families, from the exporter's own list of them."""

from collections.abc import Iterable, Iterator, Mapping

from exporter.config import load
from exporter.domain.kpis import KPIS
from exporter.domain.reports import KPI_OF_REPORT
from exporter.metrics.families import MILESTONE, OPERATIONS, QUIET_DAY, SEGMENTS, TOTALS, Family

_SEGMENTED = {family.kpi for family in SEGMENTS}
_SMALLEST = "data_server: {url: 'http://127.0.0.1:3435/wsapi/interaction_data'}\ncollect: {}"


def short() -> str:
    """Write the README's table of KPIs."""
    return "\n".join(
        [
            "| KPI | labels | by segment | value |",
            "| --- | --- | --- | --- |",
            *(_short_kpi(family) for family in TOTALS),
        ]
    )


def _short_kpi(family: Family) -> str:
    segmented = "yes" if family.kpi in _SEGMENTED else ""
    return f"| `{family.name}` | {_labels(family)} | {segmented} | {_cell(family.help)} |"


def kpis() -> str:
    """Write the table of KPIs: each with its metric, its reports and how it is computed."""
    reports = {
        kpi: ", ".join(f"`{name}`" for name, of in KPI_OF_REPORT.items() if of == kpi)
        for kpi in KPIS
    }
    return "\n".join(
        [
            "| KPI | metric | report | value |",
            "| --- | --- | --- | --- |",
            *(
                f"| {kpi.title} | `kpi_{kpi.name}` | {reports[kpi.name]} | {_cell(kpi.help)} |"
                for kpi in KPIS.values()
            ),
        ]
    )


def full() -> str:
    """Write the reference's tables, with types and numbers of series."""
    series = load(_SMALLEST, {}).series
    return "\n".join(
        [
            *_table("### KPIs", TOTALS, series),
            *_table("### KPIs by segment", SEGMENTS, series),
            *_table("### Milestones", (MILESTONE, QUIET_DAY), series),
            *_table("### The exporter and its data", OPERATIONS, series),
            (
                f"All together, with {series['process_* and python_*']} on the process:"
                f" {sum(series.values()):,} series."
            ),
        ]
    )


def _table(heading: str, families: Iterable[Family], series: Mapping[str, int]) -> Iterator[str]:
    yield heading
    yield ""
    yield "| family | type | labels | value | series |"
    yield "| --- | --- | --- | --- | --- |"
    for f in families:
        cells = (f"`{f.name}`", str(f.kind), _labels(f), _cell(f.help), f"{series[f.name]:,}")
        yield f"| {' | '.join(cells)} |"
    yield ""


def _labels(family: Family) -> str:
    return ", ".join(family.labels)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
