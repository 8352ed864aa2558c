"""What fires: which alert, since when, for whom, and what to do."""

from grafana_foundation_sdk.models.dashboard import Panel

from grafana.source.dashboard import Service
from grafana.source.panel import PanelOptions, Query
from grafana.source.promql import ALERTS, ALERTS_SINCE, FIRING, KPI_ALERT, relabelled, selector
from grafana.source.stat import stat
from grafana.source.style import BAD, GOOD
from grafana.source.table import Column, table

_LABELS = "alertname, severity, segmentation, segment, window"
# Of an alert on all interactions: all segments, of the segmentation that is chosen.
_TO_SEGMENTS = (
    "/d/kpi-segments?var-segmentation=${__data.fields.to_segmentation:percentencode}"
    "&var-segment=${__data.fields.to_segment:percentencode}&${datasource:queryparam}"
    "&${job:queryparam}&${instance:queryparam}&${window:queryparam}&${__url_time_range}"
)


def firing(service: Service) -> Panel:
    """List what fires."""
    since, firing = selector(ALERTS_SINCE, KPI_ALERT), selector(ALERTS, KPI_ALERT, FIRING)
    rows = f"1000 * max by ({_LABELS}) ({since} and ignoring (alertstate) {firing})"
    rows = relabelled(rows, "to_segmentation", "$1", "segmentation", "(.+)")
    default = service.definitions.segmentations[0].name
    rows = relabelled(rows, "to_segmentation", default.replace("$", "$$"), "to_segmentation", "")
    rows = relabelled(rows, "to_segment", "$1", "segment", "(.+)")
    for label, text in (
        ("to_segment", "All"),
        ("segmentation", "all interactions"),
        ("segment", "all"),
        ("window", "not applicable"),
    ):
        rows = relabelled(rows, label, text, label, "")
    runbooks = service.thresholds.runbooks
    runbook = ("What to do", f"{runbooks}/${{__data.fields.Alert:percentencode}}.md")
    return table(
        PanelOptions(
            title="Firing alerts",
            description="Alerts of this project that fire at the end of the time range, and since"
            " when what they watch has been so. The alert leads to its runbook where"
            " `prometheus/rules/thresholds.yml` has its address, the segment to the segments."
            " Empty: nothing is firing.",
            width=24,
            height=7,
        ),
        Column(title="Alert", label="alertname", link=runbook if runbooks else None, width=270),
        Column(title="Since", expr=rows, unit="dateTimeFromNow", width=110),
        Column(title="Severity", label="severity", width=80),
        Column(title="Segmentation", label="segmentation"),
        Column(title="Segment", label="segment", link=("Compare the segments", _TO_SEGMENTS)),
        Column(title="Window", label="window", width=120),
        Column(title="to_segmentation", label="to_segmentation", hidden=True),
        Column(title="to_segment", label="to_segment", hidden=True),
        order=["Since"],
    )


def how_many_fire() -> Panel:
    """Count what fires."""
    firing = selector(ALERTS, KPI_ALERT, FIRING)
    return stat(
        PanelOptions(
            title="Alerts firing",
            description="How many alerts of this project fire at the end of the time range.",
            width=4,
            height=4,
        ),
        Query(expr=f"count(max by ({_LABELS}) ({firing})) or vector(0)"),
        unit="short",
        steps=((None, GOOD), (1, BAD)),
        words={"0": ("none", GOOD)},
    )
