"""The dashboards as they are committed: generated, valid, linted, linked."""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from jsonschema import Draft7Validator

from exporter.metrics.families import FAMILIES, SNAPSHOT_TIME, Kind
from grafana import generate
from grafana.queries import Json, annotation_queries, panels, queries_of, variables
from grafana.source.dashboard import Uid
from grafana.source.promql import FOREIGN, UnknownName, by_segment, sampled, selector, total
from tests.conftest import CHECKOUT

SCHEMAS = json.loads((Path(__file__).parent / "schemas/grafana-13.1.json").read_text())
GRAFANA = CHECKOUT / "grafana"
# Fields of the Prometheus plugin's own, which Grafana's schema leaves to it.
OF_THE_PLUGIN = {"expr", "step", "tagKeys", "textFormat", "titleFormat", "useValueForTime"}


def expressions(dashboard: Json) -> Iterator[tuple[str, str]]:
    """Each query with where it stands, annotations and variables included."""
    for panel in panels(dashboard):
        for query in queries_of(panel):
            yield f"{dashboard['uid']}: {panel['title']} {query.ref_id}", query.expr
    for query in annotation_queries(dashboard):
        yield f"{dashboard['uid']}: {query.place}", query.expr
    for name, variable in variables(dashboard).items():
        if variable["type"] == "query":
            yield f"{dashboard['uid']}: ${name}", variable["query"]["query"]


# -- Generated --


def test_what_is_committed_is_what_is_generated(dashboards: Mapping[str, Json]) -> None:
    made = dict(generate.dashboards(generate.service()))

    assert set(made) == {uid.value for uid in Uid}
    for uid, text in made.items():
        file = GRAFANA / f"dashboards/{uid}.json"
        assert file.read_text(encoding="utf-8") == text, "stale: make dashboards"
    assert set(dashboards) == set(made)


def test_another_services_definitions_give_its_dashboards(tmp_path: Path) -> None:
    config = tmp_path / "kpi-exporter.yml"
    config.write_text(
        "data_server: {url: 'http://127.0.0.1/'}\n"
        "segmentations:\n"
        "  Device: {field: device, segments: [Phone, Key]}\n"
        "flows:\n"
        "  enrolment:\n"
        "    steps:\n"
        "      - {name: Asked, event: asked}\n"
        "      - {name: Engaged, event: engaged}\n"
        "      - {name: Enrolled, event: enrolled}\n"
        "outcomes:\n"
        "  shown: {flow: enrolment, step: Asked}\n"
        "  engaged: {flow: enrolment, step: Engaged}\n"
        "  signed_in: {event: enrolled}\n"
        "  fallback: {flow: enrolment, step: Enrolled}\n"
        "  idp: {event: never}\n"
    )

    made = dict(generate.dashboards(generate.service(config)))

    assert "Windows 8" not in "".join(made.values())
    assert "/^(Phone)( lines| area)?$/" in made["kpi-reports"].replace("\\\\", "\\")
    assert 'step=\\"Enrolled\\"' in made["kpi-flows"]
    segmentation = variables(json.loads(made["kpi-segments"]))["segmentation"]
    assert segmentation["current"]["value"] == "Device"


def test_services_are_told_apart_by_the_labels_that_the_rules_have() -> None:
    made = dict(generate.dashboards(generate.service(), ("job", "namespace")))

    for uid, text in made.items():
        assert "by (job, namespace" in text, uid
        assert "on (job, namespace" in text, uid
        assert not re.search(r"(by|on) \(job(?!, namespace)", text), uid


def test_a_family_or_label_that_is_gone_breaks_the_build() -> None:
    for wrong in (
        lambda: total("no_such_kpi"),
        lambda: by_segment("flow_step_ratio"),
        lambda: selector(total("bounce_ratio"), 'flow="new_user"'),
        lambda: sampled(SNAPSHOT_TIME, 'window="1d"'),
        lambda: selector(SNAPSHOT_TIME, suffix="_bucket"),
    ):
        with pytest.raises(UnknownName):
            wrong()


def test_every_metric_is_the_exporters_or_known_to_be_anothers(
    dashboards: Mapping[str, Json],
) -> None:
    names = {foreign.name for foreign in FOREIGN}
    for family in FAMILIES:
        suffixes = ("_bucket", "_sum", "_count") if family.kind is Kind.HISTOGRAM else ("",)
        names.update(family.name + suffix for suffix in suffixes)

    for dashboard in dashboards.values():
        for place, expr in expressions(dashboard):
            unquoted = re.sub(r'"(\\.|[^"\\])*"', '""', expr)
            used = set(re.findall(r"([A-Za-z_:][\w:]*)\s*\{", unquoted))
            used |= set(re.findall(r"\bkpi_\w+", unquoted))
            assert used, place
            assert used <= names, f"{place}: {used - names}"


# -- Valid --


def test_the_json_keeps_to_the_published_schema(dashboards: Mapping[str, Json]) -> None:
    errors: list[str] = []

    def check(schema: str, value: object, place: str) -> None:
        errors.extend(
            f"{place} {error.json_path}: {error.message}"
            for error in Draft7Validator(SCHEMAS[schema]).iter_errors(value)
        )

    for uid, dashboard in dashboards.items():
        copy = json.loads(json.dumps(dashboard))
        for annotation in copy["annotations"]["list"]:
            for field in OF_THE_PLUGIN:
                annotation.pop(field, None)
        check("dashboard", copy, uid)
        for panel in panels(dashboard):
            place = f"{uid}: {panel['title']}"
            check(f"{panel['type']} options", panel["options"], place)
            if custom := panel["fieldConfig"]["defaults"].get("custom"):
                check(f"{panel['type']} custom", custom, place)
    assert not errors


def test_uids_are_those_that_links_know_and_ids_differ(dashboards: Mapping[str, Json]) -> None:
    for uid, dashboard in dashboards.items():
        assert re.fullmatch(r"[a-z-]{1,40}", uid)
        ids = [panel["id"] for panel in dashboard["panels"]]
        assert len(set(ids)) == len(ids)
    titles = [dashboard["title"] for dashboard in dashboards.values()]
    assert len(set(titles)) == len(titles)


def test_panels_neither_overlap_nor_leave_the_grid(dashboards: Mapping[str, Json]) -> None:
    def cells(panel: Json) -> set[tuple[int, int]]:
        at = panel["gridPos"]
        return {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }

    for dashboard in dashboards.values():
        for panel in dashboard["panels"]:
            at = panel["gridPos"]
            assert at["w"] > 0
            assert at["h"] > 0
            assert at["x"] + at["w"] <= 24, panel["title"]
        for one, other in combinations(dashboard["panels"], 2):
            assert not cells(one) & cells(other), f"{one['title']} over {other['title']}"
        widths: dict[int, int] = {}
        for panel in dashboard["panels"]:
            at = panel["gridPos"]
            widths[at["y"]] = widths.get(at["y"], 0) + at["w"]
        assert set(widths.values()) == {24}, "a line is not filled"


def test_a_repeated_panel_has_its_lines_to_itself(dashboards: Mapping[str, Json]) -> None:
    """Grafana gives each of its copies a part of the whole width."""
    for dashboard in dashboards.values():
        for panel in panels(dashboard):
            if "repeat" in panel:
                assert panel["gridPos"]["w"] == 24
                assert variables(dashboard)[panel["repeat"]]["multi"]


# -- Linked --


def test_dashboards_link_to_each_other_with_variables_and_a_range_that_fits(
    dashboards: Mapping[str, Json],
) -> None:
    by_day = {"kpi-reports", "kpi-flows"}
    for uid, dashboard in dashboards.items():
        links = {
            urlsplit(link["url"]).path.removeprefix("/d/"): link for link in dashboard["links"]
        }
        assert set(dashboards) - {uid} <= set(links)
        for other in set(dashboards) - {uid}:
            link = links[other]
            assert link["includeVars"]
            fixed = parse_qs(urlsplit(link["url"]).query).get("from") == ["now-30d"]
            assert link["keepTime"] is not fixed
            assert fixed == (other in by_day and uid not in by_day), f"{uid} to {other}"


def test_the_reports_link_to_the_exporters_own_page(dashboards: Mapping[str, Json]) -> None:
    made = dict(generate.dashboards(generate.service(exporter="https://kpi.example.org/")))

    def pages(dashboard: Json) -> list[str]:
        return [link["url"] for link in dashboard["links"] if not link["url"].startswith("/d/")]

    assert pages(dashboards["kpi-reports"]) == ["http://localhost:3434/?days=30"]
    assert pages(json.loads(made["kpi-reports"])) == ["https://kpi.example.org/?days=30"]


def addresses(value: Any) -> Iterator[str]:
    """All addresses of links anywhere in a dashboard."""
    if isinstance(value, dict):
        if isinstance(value.get("url"), str) and value["url"]:
            yield value["url"]
        for each in value.values():
            yield from addresses(each)
    elif isinstance(value, list):
        for each in value:
            yield from addresses(each)


def test_links_in_tables_lead_to_dashboards_with_such_variables(
    dashboards: Mapping[str, Json],
) -> None:
    found = 0
    for dashboard in dashboards.values():
        for address in addresses(dashboard["panels"]):
            uid, _, parameters = address.removeprefix("/d/").partition("?")
            named = re.findall(r"var-(\w+)=|\$\{(\w+):queryparam\}", parameters)
            for one, other in named:
                assert (one or other) in variables(dashboards[uid]), address
            for name in re.findall(r"\$\{(\w+):queryparam\}", parameters):
                assert name in variables(dashboard), address
            range_that_fits = (
                "from=now-30d&to=now" if uid == "kpi-reports" else "${__url_time_range}"
            )
            assert range_that_fits in parameters
            found += 1
    assert found


def test_what_a_link_takes_from_a_cell_is_encoded(dashboards: Mapping[str, Json]) -> None:
    """As it is, `3+` arrives as `3 `: Grafana encodes what no address can hold, and no more."""
    taken = [
        macro
        for dashboard in dashboards.values()
        for address in addresses(dashboard["panels"])
        for macro in re.findall(r"\$\{(__data[^}]*)\}", address)
    ]

    assert taken
    for macro in taken:
        assert macro.endswith(":percentencode"), macro


def test_alerts_link_to_dashboards_and_variables_that_exist(
    dashboards: Mapping[str, Json],
) -> None:
    found = 0
    for file in sorted((CHECKOUT / "prometheus/rules").glob("alerts-*.yml")):
        for group in yaml.safe_load(file.read_text())["groups"]:
            for rule in group["rules"]:
                address = re.sub(r"\{\{.*?\}\}", "x", rule["annotations"]["dashboard_url"])
                split = urlsplit(address)
                known = variables(dashboards[split.path.rpartition("/")[2]])
                for name in parse_qs(split.query):
                    assert name.removeprefix("var-") in known, rule["alert"]
                found += 1
    assert found


# -- Provisioned --


def provisioned(kind: str) -> Any:
    (file,) = (GRAFANA / "provisioning" / kind).glob("*.yml")
    return yaml.safe_load(file.read_text())


def test_grafana_is_told_of_one_data_source_scraped_as_often_as_prometheus_says() -> None:
    document = provisioned("datasources")
    (source,) = document["datasources"]
    scraping = yaml.safe_load((CHECKOUT / "prometheus/prometheus.yml").read_text())["global"]

    assert document["prune"]
    assert source["uid"] == "prometheus"
    assert source["url"] == "http://prometheus:9090"
    assert not source["editable"]
    assert source["jsonData"]["timeInterval"] == scraping["scrape_interval"]


def test_provisioned_dashboards_can_be_neither_changed_nor_deleted() -> None:
    (provider,) = provisioned("dashboards")["providers"]

    assert provider["disableDeletion"]
    assert not provider["allowUiUpdates"]
    assert provider["folderUid"]
