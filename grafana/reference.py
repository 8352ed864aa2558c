"""Where each report of the old dashboard is now: a generated part of docs/dashboards.md."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from grafana.queries import Json, annotation_queries, panels, queries_of, variables
from grafana.source.dashboard import Uid
from grafana.source.reports import REPORTS

PAGE = Path(__file__).parent.parent / "docs/dashboards.md"
_BEGIN, _END = "<!-- old reports: written by `make dashboards` -->", "<!-- end of old reports -->"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a report stands: its name in `/data/NAME`, and panels of one dashboard."""

    report: str
    uid: Uid
    panels: Sequence[str]
    row: str = ""


PLACES: Sequence[Place] = (
    *(
        Place(
            report=report.name,
            uid=Uid.REPORTS,
            panels=(f"{report.title}, total", f"{report.title} by $segmentation"),
        )
        for report in REPORTS
        if report.name
    ),
    Place(
        report="new_user",
        uid=Uid.FLOWS,
        panels=("Steps of $flow", "Steps of $flow by $segmentation"),
        row="new_user",
    ),
    *(
        Place(report=report, uid=Uid.FLOWS, panels=("Steps of $flow over time",), row=flow)
        for report, flow in (
            ("new_user_time", "new_user"),
            ("password_reset", "password_reset"),
            ("general_progress_time", "general_progress"),
            ("add_email", "add_email"),
        )
    ),
)


def table(dashboards: Mapping[str, Json]) -> str:
    """Write the table, and under it one of its queries in full."""
    lines = ["| report | dashboard | panel | query |", "| --- | --- | --- | --- |"]
    lines += [_line(dashboards, place) for place in PLACES]
    reports = dashboards[Uid.REPORTS]
    segments = variables(reports)["segment"]["query"]["query"]
    (milestones,) = (q for q in annotation_queries(reports) if q.place == "Milestones")
    choice = "the choices *Segmentation* and *Segment*"
    lines.append(f"| `segmentations` | all with segments | {choice} | `{_short(segments)}` |")
    lines.append(
        f"| `milestones` | all with KPIs | marks in charts | `{_short(milestones.expr)}` |"
    )
    example = next(place for place in PLACES if place.report == "bounce_rate")
    (query,) = queries_of(_panel(dashboards, example, example.panels[0]))
    lines += ["", f"In full, the query of *{query.place}*:", "", "```text", query.expr, "```"]
    return "\n".join(lines) + "\n"


def _line(dashboards: Mapping[str, Json], place: Place) -> str:
    titles = "<br>".join(f"*{_titled(title, place)}*" for title in place.panels)
    cores = "<br>".join(
        f"`{_short(next(queries_of(_panel(dashboards, place, title))).expr)}`"
        for title in place.panels
    )
    row = f", row {place.row}" if place.row else ""
    return f"| `{place.report}` | `{place.uid}`{row} | {titles} | {cores} |"


def _titled(title: str, place: Place) -> str:
    return title.replace("$flow", place.row)


def _short(expr: str) -> str:
    """Return what a query is about: the first family it reads, by which labels."""
    match = re.search(r"(kpi_\w+)\{([^}]*)\}", expr)
    if match is None:
        raise LookupError(expr)
    matchers = [each for each in match[2].split(", ") if not each.startswith(("job=", "instance="))]
    return f"{match[1]}{{{', '.join(matchers)}}}" if matchers else match[1]


def _panel(dashboards: Mapping[str, Json], place: Place, title: str) -> Json:
    (found,) = (panel for panel in panels(dashboards[place.uid]) if panel["title"] == title)
    return found


def written(page: str, dashboards: Mapping[str, Json]) -> str:
    """Put the table into a page."""
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    if not after:
        raise LookupError(f"no place for the table in {PAGE.name}")
    return f"{before}{_BEGIN}\n\n{table(dashboards)}\n{_END}{after}"
