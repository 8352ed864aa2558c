"""Every query of every dashboard, asked of a real Prometheus for every value of every variable."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from math import isnan, sqrt
from pathlib import Path
from typing import Any

import pytest

from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.reports import report
from exporter.domain.windows import day_of, first_hour_of
from grafana.queries import (
    ALL,
    Json,
    Query,
    Values,
    annotation_queries,
    panels,
    queries_of,
    seconds,
    span,
    variables,
)
from grafana.queries import filled as filled_in
from tests.builders import persona
from tests.grafana.filled import ANOTHER, FRESH, HANGING, JOB, MILESTONES, NOW, Filled, serving

UIDS = ["kpi-overview", "kpi-reports", "kpi-flows", "kpi-segments", "kpi-exporter"]
AT = int(NOW.timestamp())
DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Asks a dashboard's queries of a Prometheus, as Grafana would."""

    dashboard: Json
    prometheus: Filled
    days: float | None = None

    @property
    def start(self) -> int:
        since = seconds(self.dashboard["time"]["from"].removeprefix("now-"))
        return AT - (since if self.days is None else int(self.days * DAY))

    def ask(self, query: Query, values: Values) -> list[dict[str, Any]]:
        """A query's series; each has its last number under `last`."""
        at = span(self.start, AT, least_step=query.least_step, points=100)
        expr = filled_in(query.expr, self.dashboard, values, at)
        if query.instant:
            series = self.prometheus.ask(expr, AT)
            return [{**one, "last": float(one["value"][1])} for one in series]
        series = self.prometheus.ask_range(expr, at.start, at.end, at.step)
        return [{**one, "last": float(one["values"][-1][1])} for one in series]

    def options(self, name: str, values: Values) -> list[str]:
        """What a variable offers, given the others' values."""
        return [value for value, _ in self.titled_options(name, values)]

    def titled_options(self, name: str, values: Values) -> list[tuple[str, str]]:
        """What a variable offers: each value and what people read."""
        variable = variables(self.dashboard)[name]
        function, _, asked = variable["query"]["query"].removesuffix(")").partition("(")
        at = span(self.start, AT)
        if function == "label_values":
            metric, label = asked.rsplit(", ", 1)
            expr = filled_in(metric, self.dashboard, values, at)
            offered = self.prometheus.label_values(expr, label, at.start, at.end)
            return [(value, value) for value in offered]
        pattern = variable["regex"].strip("/").replace("(?<", "(?P<")
        series = self.prometheus.ask(filled_in(asked, self.dashboard, values, at), AT)
        found = [match for one in series for match in re.finditer(pattern, as_grafana_writes(one))]
        return [(match["value"], match["text"]) for match in found]

    def panel(self, title: str) -> Sequence[Query]:
        (panel,) = (one for one in panels(self.dashboard) if one["title"] == title)
        return list(queries_of(panel))


def as_grafana_writes(series: Mapping[str, Any]) -> str:
    """A series as the text that a variable's regular expression is applied to."""
    labels = ",".join(f'{name}="{value}"' for name, value in series["metric"].items())
    at, value = series["value"]
    return f"{{{labels}}} {value} {at * 1000}"


def chosen_at_first(dashboard: Json) -> dict[str, str]:
    """What is chosen when a dashboard is opened."""
    result = {}
    for name, variable in variables(dashboard).items():
        current = variable.get("current", {}).get("value")
        result[name] = ALL if current == [ALL] else current
    return result


def choices(asking: Asking, query: Query) -> Iterator[dict[str, str]]:
    """Every value of every variable of a query, the others as at first; each segment in turn."""
    first = chosen_at_first(asking.dashboard)
    yield first
    for name in query.variables - {"segment", "segmentation", "datasource"}:
        variable = variables(asking.dashboard)[name]
        offered = (
            asking.options(name, first)
            if variable["type"] == "query"
            else [option["value"] for option in variable["options"]]
        )
        assert offered, name
        yield from ({**first, name: value} for value in offered)
    if "segmentation" in query.variables:
        for segmentation in asking.options("segmentation", first):
            yield {**first, "segmentation": segmentation}


def others_of(panel: Json, query: Query) -> list[Query]:
    """Those queries of a panel of which one is answered where this one is not."""
    queries = list(queries_of(panel))
    pairs = {
        "B": "C" if query.expr.endswith(">= 0") else "A",  # what rose and fell; small and large
        "C": "B" if query.expr.endswith("< 0") else "",
        "A": "B" if any("$least" in one.expr for one in queries[:2]) else "",
    }
    return [other for other in queries if other.ref_id == pairs.get(query.ref_id)]


NOT_ALWAYS = {
    "In when the day ended",  # not in a history that was written later
    "How long $flow takes",  # of a flow that no duration is about
}


@pytest.mark.parametrize("uid", UIDS)
def test_every_query_is_answered_for_every_value_of_every_variable(
    uid: str, dashboards: Mapping[str, Json], filled: Filled
) -> None:
    # There is a period before the range that has data, too.
    asking = Asking(dashboard=dashboards[uid], prometheus=filled, days=4.5)
    without = []

    def answered(query: Query, values: Values) -> bool:
        return any(not isnan(one["last"]) for one in asking.ask(query, values))

    for panel in panels(asking.dashboard):
        for query in queries_of(panel):
            for values in choices(asking, query):
                found = answered(query, values)  # always asked: an error fails here
                due = values["instance"] != HANGING and panel["title"] not in NOT_ALWAYS
                if (
                    due
                    and not found
                    and not any(answered(o, values) for o in others_of(panel, query))
                ):
                    without.append((query.place, query.ref_id, values))
    without += [
        (query.place, query.ref_id, values)
        for query in annotation_queries(asking.dashboard)
        for values in choices(asking, query)
        if not answered(query, values) and values["instance"] != HANGING
    ]
    assert not without


@pytest.mark.parametrize("uid", ["kpi-reports", "kpi-flows", "kpi-segments"])
def test_every_segment_chosen_alone_gives_what_it_gives_among_all(
    uid: str, dashboards: Mapping[str, Json], filled: Filled
) -> None:
    asking = Asking(dashboard=dashboards[uid], prometheus=filled)
    first = chosen_at_first(asking.dashboard)
    queries = [
        query
        for panel in panels(asking.dashboard)
        for query in queries_of(panel)
        if "segment" in query.variables and "unless" not in query.expr  # the small ones together
    ]
    assert queries
    for segmentation in asking.options("segmentation", first):
        values = {**first, "segmentation": segmentation}
        offered = asking.options("segment", values)
        (defined,) = (s for s in persona().segmentations if s.name == segmentation)
        assert set(offered) == set(defined.all_segments)
        for query in queries[:: 1 if segmentation == "Screen" else 7]:
            among_all = asking.ask(query, values)
            for segment in offered:
                alone = asking.ask(query, {**values, "segment": segment})
                assert {one["metric"]["segment"] for one in alone} <= {segment}
                assert len(alone) == sum(one["metric"]["segment"] == segment for one in among_all)


@pytest.fixture(scope="module")
def empty(prometheus: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    folder = tmp_path_factory.mktemp("empty")
    with serving(prometheus, folder, folder / "blocks") as running:
        yield running


@pytest.mark.parametrize("uid", UIDS)
def test_an_empty_prometheus_answers_every_query_without_an_error(
    uid: str, dashboards: Mapping[str, Json], empty: Filled
) -> None:
    asking = Asking(dashboard=dashboards[uid], prometheus=empty)
    first = chosen_at_first(asking.dashboard)
    for panel in panels(asking.dashboard):
        for query in queries_of(panel):
            answer = asking.ask(query, first)
            assert not answer or query.place in {"Exporters up", "Alerts firing"}


# -- The numbers --


def of_day(series: Mapping[str, Any]) -> dict[str, float]:
    """A series' values by the date that they stand at."""
    return {
        datetime.fromtimestamp(at, tz=UTC).date().isoformat(): float(value)
        for at, value in series["values"]
    }


def days_of(store: Any, segmentation: str) -> dict[date, dict[str, Any]]:
    """The counts that the exporter makes its reports of."""
    first = NOW.date() - timedelta(days=9)
    result: dict[date, dict[str, Any]] = {}
    for row in store.by_day(first_hour_of(first), first_hour_of(NOW.date()), (segmentation,)):
        result.setdefault(day_of(row.start), {})[row.segment] = row.counts
    return result


@pytest.mark.parametrize("segmentation", ["", "OS", "Screen", "EmailType"])
@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("assertions", "Sign-in attempts"),
        ("bounce_rate", "Bounce rate"),
        ("new_user_bounce", "New user bounce rate"),
        ("new_user_success", "New user success"),
        ("new_user_per_day", "New users"),
        ("sites", "Sites signed in, mean"),
        ("sites_median", "Sites signed in, median"),
    ],
)
def test_reports_by_day_show_what_the_exporter_reports(
    name: str, title: str, segmentation: str, dashboards: Mapping[str, Json], filled: Filled
) -> None:
    asking = Asking(dashboard=dashboards["kpi-reports"], prometheus=filled, days=9)
    panel = f"{title} by $segmentation" if segmentation else f"{title}, total"
    (query,) = asking.panel(panel)
    values = chosen_at_first(asking.dashboard) | {"segmentation": segmentation}

    shown = {
        series["metric"].get("segment", "Total"): of_day(series)
        for series in asking.ask(query, values)
    }

    expected = report(
        name,
        days_of(filled.store, segmentation),
        Evaluator(persona()).layout,
        by_segment=bool(segmentation),
    )
    assert any(expected.values())
    for segment, entries in expected.items():
        for entry in entries:
            value = shown[segment][entry["category"]]
            if entry["value"] is None:
                assert isnan(value)
            else:
                assert value == pytest.approx(entry["value"], abs=1e-12)
    today = NOW.date().isoformat()
    assert all(today not in series for series in shown.values())


@pytest.mark.parametrize(
    ("name", "flow"),
    [
        ("new_user_time", "new_user"),
        ("password_reset", "password_reset"),
        ("general_progress_time", "general_progress"),
        ("add_email", "add_email"),
    ],
)
def test_flows_over_time_show_what_the_exporter_reports(
    name: str, flow: str, dashboards: Mapping[str, Json], filled: Filled
) -> None:
    asking = Asking(dashboard=dashboards["kpi-flows"], prometheus=filled, days=9)
    (query,) = asking.panel("Steps of $flow over time")
    values = chosen_at_first(asking.dashboard) | {"flow": flow}

    shown = {series["metric"]["step"]: of_day(series) for series in asking.ask(query, values)}

    layout = Evaluator(persona()).layout
    expected = report(name, days_of(filled.store, ""), layout)
    assert all(expected.values())
    for step, by_day in expected.items():
        for day, value in by_day.items():
            # Where more came to a step than to the first, all is drawn.
            assert shown[step][day] == pytest.approx(min(value, 1), abs=1e-12)


def steps_of(asking: Asking, title: str, values: Values) -> dict[str, dict[Any, float]]:
    """A table's columns by title: for each segment and step the value."""
    (panel,) = (one for one in panels(asking.dashboard) if one["title"] == title)
    queries = list(queries_of(panel))
    titles = [one["matcher"]["options"] for one in panel["fieldConfig"]["overrides"]]
    valued = titles[len(titles) - len(queries) :]
    return {
        column: {
            (one["metric"].get("segment", "Total"), one["metric"].get("step")): one["last"]
            for one in asking.ask(query, values)
        }
        for column, query in zip(valued, queries, strict=True)
    }


@pytest.mark.parametrize("days", [6.2, 0.25])
@pytest.mark.parametrize("segmentation", ["", "OS"])
def test_the_table_of_steps_adds_up_the_days_of_the_range(
    segmentation: str, days: float, dashboards: Mapping[str, Json], filled: Filled
) -> None:
    asking = Asking(dashboard=dashboards["kpi-flows"], prometheus=filled, days=days)
    by = " by $segmentation" if segmentation else ""
    values = chosen_at_first(asking.dashboard) | {"flow": "new_user", "segmentation": segmentation}
    columns = steps_of(asking, f"Steps of $flow{by}", values)

    # The days that end in the range; of a shorter one the last whole day.
    since = NOW.date() - timedelta(days=max(1, int(days)))
    by_day = days_of(filled.store, segmentation)
    counted = {day: of for day, of in by_day.items() if since <= day < NOW.date()}
    layout = Evaluator(persona()).layout
    expected = report("new_user", counted, layout, by_segment=bool(segmentation))
    assert len(counted) == max(1, int(days))
    for segment, steps in expected.items():
        names = list(steps)
        for n, (step, reached) in enumerate(steps.items()):
            assert columns["Reached"][segment, step] == reached
            if steps[names[0]]:
                share = columns["Share"][segment, step]
                assert share == pytest.approx(reached / steps[names[0]])
            if reached and n + 1 < len(names):
                went_on = columns["Go on"][segment, step]
                assert went_on == pytest.approx(steps[names[n + 1]] / reached)
            if reached:
                completed = columns["Complete"][segment, step]
                assert completed == pytest.approx(steps[names[-1]] / reached)
    assert all(step != names[-1] for _, step in columns["Go on"])


@pytest.mark.parametrize("days", [3.0, 0.25])
def test_the_funnel_is_compared_with_as_many_days_before(
    days: float, dashboards: Mapping[str, Json], filled: Filled
) -> None:
    asking = Asking(dashboard=dashboards["kpi-overview"], prometheus=filled, days=days)
    values = chosen_at_first(asking.dashboard) | {"flow": "general_progress"}
    columns = steps_of(asking, "Steps of $flow", values)
    by_segment = steps_of(asking, "Completed $flow, by $segmentation", values)

    length = max(1, int(days))
    first = NOW.date() - timedelta(days=2 * length)
    middle = first + timedelta(days=length)
    (flow,) = (one for one in persona().flows if one.name == "general_progress")
    for segmentation, shown in (("", columns), ("OS", by_segment)):
        counts = {True: Counter[Any](), False: Counter[Any]()}
        for day, segments in days_of(filled.store, segmentation).items():
            for segment, slots in segments.items():
                for step in flow.steps:
                    slot = Evaluator(persona()).layout.steps[flow.name][step.name]
                    if first <= day < NOW.date():
                        counts[day >= middle][segment or "Total", step.name] += slots.get(slot, 0)
        begins, ends = flow.steps[0].name, flow.steps[-1].name
        for (segment, step), before in shown["Before"].items():
            then = counts[False][segment, step or ends] / counts[False][segment, begins]
            now = counts[True][segment, step or ends] / counts[True][segment, begins]
            assert before == pytest.approx(then)
            assert shown["Share"][segment, step] == pytest.approx(now)
            assert shown["Change, points"][segment, step] == pytest.approx(100 * (now - then))
        assert shown["Before"]


def wilson(part: float, whole: float) -> tuple[float, float]:
    """The textbook's form of the 95% interval."""
    z, share = 1.96, part / whole
    centre = share + z**2 / (2 * whole)
    spread = z * sqrt(share * (1 - share) / whole + z**2 / (4 * whole**2))
    return (
        (centre - spread) / (1 + z**2 / whole),
        (centre + spread) / (1 + z**2 / whole),
    )


def test_shares_of_segments_stand_within_their_bounds(
    dashboards: Mapping[str, Json], filled: Filled
) -> None:
    asking = Asking(dashboard=dashboards["kpi-segments"], prometheus=filled)
    values = chosen_at_first(asking.dashboard) | {"segmentation": "Locale"}
    size, share, lower, upper = (
        {one["metric"]["segment"]: one["last"] for one in asking.ask(query, values)}
        for query in asking.panel("Bounces by $segmentation")
    )

    dialogs = filled.ask(
        f'kpi_segment_dialogs{{segmentation="Locale", window="1d", instance="{FRESH}"}}', AT
    )
    counted = 0
    for segment in {one["metric"]["segment"] for one in dialogs}:
        ended = {
            one["metric"]["outcome"]: float(one["value"][1])
            for one in dialogs
            if one["metric"]["segment"] == segment
        }
        whole = sum(ended.values())
        if not whole:
            assert segment not in share
            continue
        assert size[segment] == whole
        assert share[segment] == pytest.approx(ended["bounce"] / whole)
        assert (lower[segment], upper[segment]) == pytest.approx(
            wilson(ended["bounce"], whole), abs=1e-4
        )
        counted += 1
    assert counted > 5


def test_one_of_two_does_not_come_before_half_of_a_thousand() -> None:
    assert wilson(1, 2)[0] < 0.1
    assert wilson(500, 1000)[0] > 0.45


def test_small_segments_are_drawn_together(dashboards: Mapping[str, Json], filled: Filled) -> None:
    asking = Asking(dashboard=dashboards["kpi-segments"], prometheus=filled, days=1)
    values = chosen_at_first(asking.dashboard) | {"segmentation": "Locale", "least": "100"}
    alone, together, _ = asking.panel("Bounces by $segmentation over time")
    ended: dict[str, Counter[str]] = {}
    for one in filled.ask(
        f'kpi_segment_dialogs{{segmentation="Locale", window="1d", instance="{FRESH}"}}', AT
    ):
        labels, (_, value) = one["metric"], one["value"]
        ended.setdefault(labels["segment"], Counter())[labels["outcome"]] += int(value)

    large = {segment for segment, dialogs in ended.items() if dialogs.total() >= 100}
    small = sum((ended[segment] for segment in set(ended) - large), Counter[str]())
    assert large
    assert small
    assert {one["metric"]["segment"] for one in asking.ask(alone, values)} == large
    (others,) = asking.ask(together, values)
    assert others["last"] == pytest.approx(small["bounce"] / small.total(), rel=0.05)


# -- Two exporters, and time --


def kpi_of(filled: Filled, instance: str) -> float:
    (one,) = filled.ask(f'kpi_sign_in_attempts{{window="1d", instance="{instance}"}}', AT)
    return float(one["value"][1])


def test_of_two_exporters_the_freshest_speaks(
    dashboards: Mapping[str, Json], filled: Filled
) -> None:
    asking = Asking(dashboard=dashboards["kpi-overview"], prometheus=filled)
    now, *_ = asking.panel("Sign-in attempts")
    first = chosen_at_first(asking.dashboard)

    def shown(instance: str) -> float:
        (series,) = asking.ask(now, first | {"instance": instance})
        assert series["metric"] == {"job": JOB, "window": "1d"}
        return float(series["last"])

    assert kpi_of(filled, FRESH) != kpi_of(filled, HANGING)
    assert shown(ALL) == shown(FRESH) == kpi_of(filled, FRESH)
    assert shown(HANGING) == kpi_of(filled, HANGING)


def test_other_programs_count_for_nothing(dashboards: Mapping[str, Json], filled: Filled) -> None:
    asking = Asking(dashboard=dashboards["kpi-exporter"], prometheus=filled)
    first = chosen_at_first(asking.dashboard)
    assert filled.ask(f'up{{job="{ANOTHER[0]}"}}', AT)

    (up,) = asking.ask(asking.panel("Exporters up")[0], first)
    assert up["last"] == 2
    for panel in panels(asking.dashboard):
        for query in queries_of(panel):
            for series in asking.ask(query, first):
                assert series["metric"].get("job", JOB) == JOB, query.place


def test_the_change_is_that_against_the_week_before(
    dashboards: Mapping[str, Json], filled: Filled
) -> None:
    asking = Asking(dashboard=dashboards["kpi-overview"], prometheus=filled)
    first = chosen_at_first(asking.dashboard)
    for title, metric, relative in (
        ("Sign-in attempts", "kpi_sign_in_attempts", True),
        ("Bounce rate", "kpi_bounce_ratio", False),
    ):
        selected = f'last_over_time({metric}{{window="1d", instance="{FRESH}"}}[65m])'
        (after,) = filled.ask(selected, AT)
        (before,) = filled.ask(selected, AT - 7 * DAY)
        now, then = float(after["value"][1]), float(before["value"][1])
        if relative:  # of the counts expected when all is in; then all is in
            (known,) = filled.ask(
                f'kpi_expected_completeness_ratio{{window="1d", instance="{FRESH}"}}', AT
            )
            now /= float(known["value"][1])
        change = 100 * ((now - then) / then if relative else now - then)
        _, rose, fell = asking.panel(title)
        (shown,) = asking.ask(rose, first) + asking.ask(fell, first)
        assert shown["last"] == pytest.approx(change)


def test_milestones_are_marked_in_milliseconds(
    dashboards: Mapping[str, Json], filled: Filled
) -> None:
    asking = Asking(dashboard=dashboards["kpi-reports"], prometheus=filled)
    (query,) = (q for q in annotation_queries(asking.dashboard) if q.place == "Milestones")

    marked = {
        one["metric"]["milestone"]: one["last"]
        for one in asking.ask(query, chosen_at_first(asking.dashboard))
    }

    assert marked == {
        mark.name: 1000 * datetime(*mark.date.timetuple()[:3], tzinfo=UTC).timestamp()
        for mark in MILESTONES
    }


def test_what_fires_is_listed_with_since_when(
    dashboards: Mapping[str, Json], filled: Filled
) -> None:
    asking = Asking(dashboard=dashboards["kpi-overview"], prometheus=filled)
    (query,) = asking.panel("Firing alerts")

    (alert,) = asking.ask(query, chosen_at_first(asking.dashboard))

    assert alert["metric"] == {
        "alertname": "KpiSegmentBounceRateHigh",
        "severity": "warning",
        "segmentation": "OS",
        "segment": "Linux",
        "window": "1d",
        "to_segmentation": "OS",
        "to_segment": "Linux",
    }
    assert alert["last"] == 1000 * (NOW - timedelta(hours=10)).timestamp()
