"""docs/dashboards.md: no report of the old dashboard is missing, and nothing there is stale."""

import re
from collections.abc import Mapping

from exporter.domain.reports import REPORTS
from grafana import reference
from grafana.queries import Json, panels
from grafana.source.dashboard import Uid
from tests.conftest import CHECKOUT

PAGE = reference.PAGE.read_text(encoding="utf-8")


def test_the_table_of_the_old_reports_is_that_of_the_dashboards(
    dashboards: Mapping[str, Json],
) -> None:
    assert reference.written(PAGE, dashboards) == PAGE, "stale: make dashboards"


def test_no_report_of_the_old_dashboard_is_missing(dashboards: Mapping[str, Json]) -> None:
    rows = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)

    assert sorted(rows) == sorted(set(REPORTS) - {"durations"})  # which it never had
    for place in reference.PLACES:
        titles = {panel["title"] for panel in panels(dashboards[place.uid])}
        assert set(place.panels) <= titles


def test_every_dashboard_has_its_address(dashboards: Mapping[str, Json]) -> None:
    for uid in Uid:
        assert f"`/d/{uid}`" in PAGE
        assert uid in dashboards


def test_every_picture_is_there() -> None:
    pictures = re.findall(r"\((pictures/[\w-]+\.png)\)", PAGE)

    assert pictures
    for picture in pictures:
        assert (CHECKOUT / "docs" / picture).stat().st_size > 10_000
