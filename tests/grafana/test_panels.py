"""What panels promise: now is now, empty cells are empty, steps that differ look different."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from exporter.config import load
from exporter.domain.titles import readable
from grafana import generate
from grafana.queries import Json, panels, queries_of
from grafana.source.steps import way
from grafana.source.style import segment_colours, step_colours
from grafana.source.titles import Titles
from tests.builders import persona


def of_type(dashboards: Mapping[str, Json], kind: str) -> Iterator[Json]:
    for dashboard in dashboards.values():
        yield from (panel for panel in panels(dashboard) if panel["type"] == kind)


def properties(panel: Json) -> dict[str, dict[str, Any]]:
    """A panel's overridden properties by what they are for."""
    return {
        one["matcher"]["options"]: {each["id"]: each["value"] for each in one["properties"]}
        for one in panel["fieldConfig"]["overrides"]
    }


def test_figures_are_of_the_end_of_the_range_and_not_of_a_charts_last_step(
    dashboards: Mapping[str, Json],
) -> None:
    for panel in (*of_type(dashboards, "stat"), *of_type(dashboards, "table")):
        for query in queries_of(panel):
            assert query.instant, panel["title"]
    for panel in of_type(dashboards, "stat"):
        assert panel["options"]["graphMode"] == "none", panel["title"]


def test_a_rise_has_a_plus_and_points_are_not_percent(dashboards: Mapping[str, Json]) -> None:
    compared = [p for p in of_type(dashboards, "stat") if len(p["targets"]) == 3]

    assert compared
    for panel in compared:
        _, rose, fell = panel["targets"]
        assert rose["expr"].endswith(">= 0")
        assert fell["expr"].endswith("< 0")
        assert properties(panel)["B"]["unit"] == "prefix:+"
        ratio = panel["fieldConfig"]["defaults"]["unit"] == "percentunit"
        measure = "points" if ratio else "%"
        assert rose["legendFormat"] == fell["legendFormat"] == f"{measure} against the week before"


def test_an_empty_cell_says_nothing_unless_it_is_not_applicable(
    dashboards: Mapping[str, Json],
) -> None:
    for panel in of_type(dashboards, "table"):
        assert panel["fieldConfig"]["defaults"]["noValue"] == "", panel["title"]
        for column, changed in properties(panel).items():
            assert changed.get("noValue", "not applicable") == "not applicable", column


def test_all_columns_are_in_view_beside_the_menu(dashboards: Mapping[str, Json]) -> None:
    """At 1280 pixels with the menu open 950 are left; a column that names things needs 100."""
    for panel in of_type(dashboards, "table"):
        hidden = {c for c, p in properties(panel).items() if p.get("custom.hideFrom")}
        widths = [
            changed.get("custom.width", 60 if "unit" in changed else 100)
            for column, changed in properties(panel).items()
            if column not in hidden
        ]
        assert sum(widths) <= 950 * panel["gridPos"]["w"] / 24 - 20, panel["title"]


def test_titles_of_figures_fit_beside_the_menu(dashboards: Mapping[str, Json]) -> None:
    for panel in of_type(dashboards, "stat"):
        wide = 950 * panel["gridPos"]["w"] / 24 - 60  # padding, and the mark of the description
        assert 7.5 * len(panel["title"]) <= wide, panel["title"]


def test_states_are_words(dashboards: Mapping[str, Json]) -> None:
    stats = {p["title"]: p for p in of_type({"": dashboards["kpi-exporter"]}, "stat")}

    for name in ("Source", "Store"):
        words, *_ = stats[name]["fieldConfig"]["defaults"]["mappings"]
        assert {value: each["text"] for value, each in words["options"].items()} == {
            "0": "down",
            "1": "OK",
        }


def test_charts_by_day_say_what_range_they_need(dashboards: Mapping[str, Json]) -> None:
    by_day = [p for p in of_type(dashboards, "timeseries") if p.get("interval") == "1d"]

    assert len(by_day) > 15
    for panel in by_day:
        assert panel["fieldConfig"]["defaults"]["noValue"] in {
            "No whole UTC day begins in this time range: choose two days or more.",
            "not known",
        }


def test_the_bounce_rate_stands_on_zero_beside_its_threshold(
    dashboards: Mapping[str, Json],
) -> None:
    (panel,) = (
        p for p in panels(dashboards["kpi-overview"]) if p["title"].startswith("Bounce and")
    )
    defaults = panel["fieldConfig"]["defaults"]

    assert defaults["custom"]["axisSoftMin"] == 0
    assert defaults["custom"]["thresholdsStyle"]["mode"] == "dashed"
    assert [step["value"] for step in defaults["thresholds"]["steps"]] == [None, 0.5]


def test_small_multiples_have_one_axis(dashboards: Mapping[str, Json]) -> None:
    repeated = [p for p in of_type(dashboards, "timeseries") if p.get("repeat") == "segment"]

    assert repeated
    for panel in repeated:
        defaults = panel["fieldConfig"]["defaults"]
        assert (defaults["min"], defaults["max"]) == (0, 1)


def test_no_two_names_of_one_list_look_alike() -> None:
    definitions = persona()
    for overrides, lists in (
        (step_colours(definitions), [[s.name for s in flow.steps] for flow in definitions.flows]),
        (segment_colours(definitions), [one.all_segments for one in definitions.segmentations]),
    ):
        painted = [
            (re.compile(one["matcher"]["options"].strip("/")), json.dumps(one["properties"]))
            for one in (json.loads(json.dumps(o.build(), default=vars)) for o in overrides)
        ]
        for names in lists:
            looks = [
                next(look for pattern, look in painted if pattern.match(name)) for name in names
            ]
            assert len(set(looks)) == len(names), names


# -- Words --


def test_names_are_made_readable() -> None:
    for name, read in (
        ("new_user", "New user"),
        ("EmailType", "Email type"),
        ("OS", "OS"),
        ("sign-in", "Sign-in"),
        ("Gmail or OS", "Gmail or OS"),
        ("_", "_"),
    ):
        assert readable(name) == read


def test_a_title_is_taken_before_the_name() -> None:
    configuration = load(
        "data_server: {url: 'http://127.0.0.1/'}\n"
        "segmentations:\n"
        "  OS: {title: Operating system, field: os, segments: [Linux]}\n"
        "  EmailType: {field: type, segments: [a]}\n",
        {},
    )

    assert Titles.of(configuration).segmentations == {
        "OS": "Operating system",
        "EmailType": "Email type",
    }


def test_the_way_is_what_leads_to_the_end() -> None:
    (flow,) = (one for one in persona().flows if one.name == "general_progress")

    assert [step.name for step in flow.steps if step not in way(flow)] == ["3 - Error screen"]


def test_runbooks_are_linked_where_they_are_published(dashboards: Mapping[str, Json]) -> None:
    service = generate.service()
    published = replace(
        service, thresholds=replace(service.thresholds, runbooks="https://kpi.example.org/runbooks")
    )
    made = json.loads(dict(generate.dashboards(published))["kpi-overview"])

    def link(dashboard: Json) -> list[str]:
        (panel,) = (p for p in panels(dashboard) if p["title"] == "Firing alerts")
        return [one["url"] for one in properties(panel)["Alert"].get("links", ())]

    assert link(made) == [
        "https://kpi.example.org/runbooks/${__data.fields.Alert:percentencode}.md"
    ]
    assert "://" in service.thresholds.runbooks or link(dashboards["kpi-overview"]) == []
