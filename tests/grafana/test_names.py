"""Names that hold quotes and signs, and targets of a cluster: every choice leads to data."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import isnan
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from exporter.config import load
from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.interaction import Row
from exporter.domain.windows import Window
from exporter.metrics.exposition import kpi_metrics, operation_metrics
from exporter.metrics.snapshot import take_snapshot
from fake_server.blob import write
from fake_server.crowd import Crowd
from grafana import generate
from grafana.queries import Json, panels, queries_of
from tests.builders import batch, sqlite_store
from tests.grafana.filled import JOB, NOW, Filled, make_blocks, operations_at, serving
from tests.grafana.test_dashboards import addresses
from tests.grafana.test_queries import Asking, chosen_at_first

SEGMENTS = ("3+", "R&D", "50% off", "a/b", 'the "new" one', "it's", "Größe", "x\\y", "(a|b)", "#1")
CONFIG = r"""
data_server: {url: 'http://127.0.0.1/'}
segmentations:
  'Plan & "size"':
    title: The "plan" $1 & its size
    field: number_accounts
    segments:
      ["3+", "R&D", "50% off", "a/b", 'the "new" one', "it's", "Größe", 'x\y', "(a|b)", "#1"]
flows:
  'sign-in / "new"':
    steps:
      - {name: '1. "Shown" & seen', event: screen.authenticate}
      - {name: 'Engaged + 100%', event: authenticate.email_submitted}
      - {name: Signed in, event: assertion_generated}
outcomes:
  shown: {flow: 'sign-in / "new"', step: '1. "Shown" & seen'}
  engaged: {flow: 'sign-in / "new"', step: 'Engaged + 100%'}
  signed_in: {event: assertion_generated}
  fallback: {event: user.user_staged}
  idp: {event: never}
"""
_WINDOWS = (Window(name="1d", hours=24), Window(name="7d", hours=168))
_ROLLOUT = NOW - timedelta(minutes=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A Prometheus that scrapes two replicas, both replaced some minutes ago."""

    prometheus: Filled
    dashboards: Mapping[str, Json]


@pytest.fixture(scope="module")
def cluster(
    prometheus: Path, promtool: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("names")
    config = folder / "kpi-exporter.yml"
    config.write_text(CONFIG, encoding="utf-8")
    definitions = load(config, {}).definitions
    evaluator = Evaluator(definitions)
    store = sqlite_store(folder / "kpi.db", definitions=definitions)
    plans = Crowd(seed=3, per_day=300).plans(NOW - timedelta(days=3), NOW)
    rows = [Row(f"{plan.number:040x}", write(plan).encode()) for plan in plans]
    store.add(batch(rows, definitions), NOW)
    snapshot = take_snapshot(store, evaluator, _WINDOWS, NOW)
    with (folder / "scrapes.om").open("w", encoding="utf-8") as out:
        at = NOW - timedelta(minutes=40)
        while at <= NOW:
            state, _ = operations_at(store, NOW - timedelta(hours=2), at)
            for replica in ("a", "b"):
                pod = f"kpi-exporter-{replica}{'1' if at < _ROLLOUT else '2'}"
                target = {"job": JOB, "instance": f"{pod}:3434", "pod": pod, "namespace": "kpi"}
                for metric in (
                    *kpi_metrics(snapshot),
                    *operation_metrics(state, snapshot, evaluator.digest),
                ):
                    for sample in metric.samples:
                        labels = _written(sample.labels | target)
                        value = "NaN" if isnan(sample.value) else repr(float(sample.value))
                        print(f"{sample.name}{{{labels}}} {value} {at.timestamp()}", file=out)
            at += timedelta(minutes=2)
        print("# EOF", file=out)
    make_blocks(promtool, folder / "scrapes.om", folder / "blocks")
    made = dict(generate.dashboards(generate.service(config)))
    with serving(prometheus, folder, folder / "blocks") as running:
        yield Cluster(
            prometheus=running,
            dashboards={uid: json.loads(text) for uid, text in made.items()},
        )
    store.close()


def _written(labels: Mapping[str, str]) -> str:
    def escaped(value: str) -> str:
        return value.replace("\\", r"\\").replace('"', r"\"")

    return ",".join(f'{name}="{escaped(value)}"' for name, value in labels.items())


@pytest.mark.parametrize("uid", ["kpi-segments", "kpi-flows", "kpi-reports"])
def test_each_segment_leads_to_its_own_data(uid: str, cluster: Cluster) -> None:
    asking = Asking(dashboard=cluster.dashboards[uid], prometheus=cluster.prometheus)
    first = chosen_at_first(asking.dashboard)
    assert first["segmentation"] == 'Plan & "size"'
    assert set(asking.options("segment", first)) == {*SEGMENTS, "Other"}
    found: set[str] = set()
    for segment in SEGMENTS:
        for panel in panels(asking.dashboard):
            for query in queries_of(panel):
                if "segment" in query.variables and "unless" not in query.expr:
                    shown = asking.ask(query, {**first, "segment": segment, "least": "0"})
                    assert {one["metric"]["segment"] for one in shown} <= {segment}
                    found |= {segment for _ in shown}
    # Nothing of it has ended a day yet, which is all that the charts by day and the sums show.
    assert found == (set(SEGMENTS) if uid == "kpi-segments" else set())


def test_flows_and_segmentations_are_shown_by_their_titles(cluster: Cluster) -> None:
    asking = Asking(dashboard=cluster.dashboards["kpi-overview"], prometheus=cluster.prometheus)
    first = chosen_at_first(asking.dashboard)

    assert asking.titled_options("flow", first) == [('sign-in / "new"', 'Sign-in / "new"')]
    assert asking.titled_options("segmentation", first) == [
        ('Plan & "size"', 'The "plan" $1 & its size')
    ]


def test_a_flow_with_quotes_is_shown(cluster: Cluster) -> None:
    asking = Asking(dashboard=cluster.dashboards["kpi-segments"], prometheus=cluster.prometheus)
    first = chosen_at_first(asking.dashboard)
    assert first["flow"] == 'sign-in / "new"'
    (query,) = asking.panel("Completed: $flow by $segmentation")[:1]

    assert [one["metric"]["segment"] for one in asking.ask(query, first)] == ["Other"]


def test_two_replicas_that_were_replaced_are_one_service(cluster: Cluster) -> None:
    for uid, dashboard in cluster.dashboards.items():
        asking = Asking(dashboard=dashboard, prometheus=cluster.prometheus)
        first = chosen_at_first(dashboard)
        for panel in panels(dashboard):
            for query in queries_of(panel):
                kinds: Sequence[str] = [
                    json.dumps(one["metric"], sort_keys=True) for one in asking.ask(query, first)
                ]
                for kind in kinds:
                    if uid != "kpi-exporter":  # which shows each replica
                        assert not {"pod", "instance", "namespace"} & set(json.loads(kind))


def test_what_a_link_takes_arrives_as_it_was(cluster: Cluster) -> None:
    found = 0
    for dashboard in cluster.dashboards.values():
        for address in addresses(dashboard["panels"]):
            for name in SEGMENTS:
                followed = address.replace(
                    "${__data.fields.Segment:percentencode}", quote(name, safe="")
                ).replace("${__data.fields.to_segment:percentencode}", quote(name, safe=""))
                if followed != address:
                    assert parse_qs(urlsplit(followed).query)["var-segment"] == [name]
                    found += 1
    assert found
