"""The rules of Grafana's dashboard-linter, each by its name there.

Exceptions stand in `grafana/dashboards/.lint`, in the linter's own form, which the linter itself
reads when it is run by hand.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from grafana.queries import Json, panels, queries_of, variables
from tests.conftest import CHECKOUT

EXCEPTIONS: Mapping[str, Any] = yaml.safe_load((CHECKOUT / "grafana/dashboards/.lint").read_text())[
    "exclusions"
]
UNITS = {"short", "percentunit", "s", "bytes", "cpm", "dateTimeFromNow", "none", "prefix:+"}


def excepted(rule: str, dashboard: Json, panel: Json) -> bool:
    entries = EXCEPTIONS.get(rule, {}).get("entries", ())
    return any(
        entry["dashboard"] == dashboard["title"] and entry["panel"] == panel["title"]
        for entry in entries
    )


@pytest.fixture(params=["overview", "reports", "flows", "segments", "exporter"])
def dashboard(request: pytest.FixtureRequest, dashboards: Mapping[str, Json]) -> Json:
    return dashboards[f"kpi-{request.param}"]


def selectors(expr: str) -> Iterator[tuple[str, str]]:
    """Each metric of a query with what its series are selected by."""
    for match in re.finditer(r'([A-Za-z_:][\w:]*)\{((?:[^{}"]|"(?:\\.|[^"\\])*")*)\}', expr):
        yield match[1], match[2]


def test_template_datasource_rule(dashboard: Json) -> None:
    (source,) = (v for v in variables(dashboard).values() if v["type"] == "datasource")
    assert (source["name"], source["label"]) == ("datasource", "Data source")
    assert source["query"] == "prometheus"


@pytest.mark.parametrize("name", ["job", "instance"])
def test_template_job_and_instance_rules(dashboard: Json, name: str) -> None:
    variable = variables(dashboard)[name]
    assert variable["type"] == "query"
    assert variable["label"] == name.title()
    assert variable["datasource"]["uid"] == "${datasource}"
    assert variable["multi"]
    assert variable["allValue"] == ".+"


def test_template_label_promql_rule(dashboard: Json) -> None:
    for name, variable in variables(dashboard).items():
        if variable["type"] == "query":
            asked = rf"label_values\((.+), {name}\)|query_result\(.+\)"
            assert re.fullmatch(asked, variable["query"]["query"])


def test_template_on_time_change_reload_rule(dashboard: Json) -> None:
    for variable in variables(dashboard).values():
        if variable["type"] == "query":
            assert variable["refresh"] == 2


def test_template_unused_rule(dashboard: Json) -> None:
    used = {
        name
        for panel in panels(dashboard)
        for query in queries_of(panel)
        for name in query.variables
    }
    used |= {
        name
        for panel in panels(dashboard)
        for target in panel["targets"]
        for name in re.findall(r"\$(\w+)", target.get("legendFormat", ""))
    }
    assert set(variables(dashboard)) <= used | {"datasource"}


def test_uneditable_dashboard_rule(dashboard: Json) -> None:
    assert dashboard["editable"] is False


def test_panel_datasource_rule(dashboard: Json) -> None:
    for panel in panels(dashboard):
        for holder in (panel, *panel["targets"]):
            assert holder["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    for annotation in dashboard["annotations"]["list"]:
        assert annotation["datasource"]["uid"] == "${datasource}"


def test_panel_title_description_rule(dashboard: Json) -> None:
    for panel in panels(dashboard):
        assert panel["title"]
        assert len(panel["description"]) > 20, panel["title"]
    titles = [panel["title"] for panel in panels(dashboard)]
    assert len(set(titles)) == len(titles)
    for variable in variables(dashboard).values():
        assert variable["name"] == "datasource" or variable["description"]


def test_panel_units_rule(dashboard: Json) -> None:
    for panel in panels(dashboard):
        units = {panel["fieldConfig"]["defaults"]["unit"]}
        for override in panel["fieldConfig"]["overrides"]:
            units |= {p["value"] for p in override["properties"] if p["id"] == "unit"}
        assert units <= UNITS, panel["title"]


def test_panel_no_targets_rule(dashboard: Json) -> None:
    for panel in panels(dashboard):
        assert panel["targets"], panel["title"]


@pytest.mark.parametrize("name", ["job", "instance"])
def test_target_job_and_instance_rules(dashboard: Json, name: str) -> None:
    for panel in panels(dashboard):
        if excepted(f"target-{name}-rule", dashboard, panel):
            continue
        for query in queries_of(panel):
            for metric, matchers in selectors(query.expr):
                assert f'{name}=~"${name}"' in matchers, f"{panel['title']}: {metric}"


def test_target_rate_interval_rule(dashboard: Json) -> None:
    for panel in panels(dashboard):
        for query in queries_of(panel):
            asked = re.findall(r"\b(?:rate|irate|increase)\(.*?\[(.*?)\]", query.expr)
            assert set(asked) <= {"$__rate_interval"}, panel["title"]


def test_target_counter_agg_rule(dashboard: Json) -> None:
    for panel in panels(dashboard):
        for query in queries_of(panel):
            for match in re.finditer(r"\b\w+_total\{", query.expr):
                assert query.expr[: match.start()].endswith("rate("), panel["title"]


def test_exceptions_are_needed_and_have_a_reason(dashboards: Mapping[str, Json]) -> None:
    titles = {
        (dashboard["title"], panel["title"]): panel
        for dashboard in dashboards.values()
        for panel in panels(dashboard)
    }
    for rule, exception in EXCEPTIONS.items():
        assert exception["reason"]
        name = rule.split("-")[1]
        for entry in exception["entries"]:
            (query,) = queries_of(titles[entry["dashboard"], entry["panel"]])
            assert f'{name}=~"${name}"' not in query.expr
