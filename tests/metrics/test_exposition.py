"""What a scrape gets: both formats, every family, one snapshot at a time."""

import gzip
import re
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from math import isnan
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client import Metric, generate_latest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.definitions import Definitions
from exporter.domain.lateness import Lateness
from exporter.domain.reports import Milestone
from exporter.domain.windows import Window
from exporter.metrics import families
from exporter.metrics.collecting import CollectRecorder
from exporter.metrics.exposition import (
    OPENMETRICS,
    TEXT,
    Exposition,
    kpi_metrics,
)
from exporter.metrics.kpi_text import kpi_text
from exporter.metrics.snapshot import Snapshot, take_snapshot
from exporter.metrics.status import Status
from tests.builders import AT, crowd, fewer_segments, persona, sqlite_store

WINDOWS = (
    Window(name="12h", hours=12, by_segment=False),
    Window(name="1d", hours=24),
    Window(name="7d", hours=168),
)
MARKS = (Milestone(name='The "bridge" \\ is\nlive', date=date(2013, 7, 23)),)
PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
ODD = 'a "quoted" \\ back\nslash'
KPIS = (*families.TOTALS, *families.SEGMENTS)


def snapshot(
    path: Path, n: int = 200, seed: int = 1, definitions: Definitions | None = None
) -> Snapshot:
    rows = crowd(seed, n, AT - timedelta(days=6), AT) if n else []
    store = sqlite_store(path, rows, definitions)
    return take_snapshot(store, Evaluator(definitions or persona()), WINDOWS, AT)


def oddly_named() -> Definitions:
    (first, *rest) = persona().segmentations
    return replace(persona(), segmentations=(replace(first, segments=(ODD,), aliases=()), *rest))


@pytest.fixture
def exposition(tmp_path: Path) -> Exposition:
    shown = Exposition(
        lambda: Status(lateness=Lateness().see([60] * 2_000)),
        lambda: "abc",
        lambda: CollectRecorder().status,
    )
    shown.publish(snapshot(tmp_path / "kpi.db"), MARKS)
    return shown


def plain(exposition: Exposition, accept: str = TEXT, names: Sequence[str] = ()) -> str:
    return exposition.scrape(accept=accept, compress=False, names=names).content.decode()


def parsed(text: str) -> dict[str, Metric]:
    found = list(text_string_to_metric_families(text))
    assert len({family.name for family in found}) == len(found), "families are interleaved"
    return {family.name: family for family in found}


def samples(found: dict[str, Metric]) -> dict[tuple[str, tuple[tuple[str, str], ...]], str]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): repr(sample.value)
        for family in found.values()
        for sample in family.samples
        if not sample.name.startswith(("process_", "python_gc"))
    }


def test_promtool_finds_nothing(exposition: Exposition, promtool: Path) -> None:
    checked = subprocess.run(
        [promtool, "check", "metrics"],
        input=plain(exposition).encode(),
        capture_output=True,
        check=False,
    )

    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_the_strict_parser_reads_openmetrics_and_finds_what_is_in_the_text(
    exposition: Exposition,
) -> None:
    text = plain(exposition, OPENMETRICS)
    strictly = {family.name: family for family in openmetrics.text_string_to_metric_families(text)}

    assert text.endswith("# EOF\n")
    assert text.count("# EOF") == 1
    assert samples(strictly) == samples(parsed(plain(exposition)))


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", TEXT),
        ("*/*", TEXT),
        ("text/html", TEXT),
        ("application/openmetrics-text; version=1.0.0,text/plain;q=0.5", OPENMETRICS),
        (PROMETHEUS, OPENMETRICS),
        ("application/openmetrics-text;q=0, text/plain", TEXT),
        ("text/plain;version=0.0.4;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5", TEXT),
        ("application/openmetrics-text;q=much", TEXT),
    ],
)
def test_the_format_is_by_accept(exposition: Exposition, accept: str, content_type: str) -> None:
    assert exposition.scrape(accept=accept, compress=False).content_type == content_type


@pytest.mark.parametrize("accept", [TEXT, OPENMETRICS])
def test_compressed_it_is_the_same(exposition: Exposition, accept: str) -> None:
    scrape = exposition.scrape(accept=accept, compress=True)
    unpacked = gzip.decompress(scrape.content).decode()

    assert scrape.encoding == "gzip"
    assert [
        line for line in unpacked.splitlines() if not line.startswith(("process", "python"))
    ] == [
        line
        for line in plain(exposition, accept).splitlines()
        if not line.startswith(("process", "python"))
    ]


def test_every_family_is_there_with_its_type_its_labels_and_its_help(
    exposition: Exposition,
) -> None:
    found = parsed(plain(exposition))

    for family in families.FAMILIES:
        shown = found.pop(family.name.removesuffix("_total"))
        assert (shown.type, shown.documentation) == (family.kind, family.text)
        for sample in shown.samples:
            assert set(sample.labels) - {"le"} == set(family.labels), sample
    assert all(name.startswith(("process_", "python_")) for name in found)


def test_every_known_series_is_there_from_the_first_snapshot(tmp_path: Path) -> None:
    exposition = Exposition(Status, lambda: "abc")
    exposition.publish(snapshot(tmp_path / "kpi.db", n=0), ())
    empty = parsed(plain(exposition))
    full = Exposition(Status, lambda: "abc")
    full.publish(snapshot(tmp_path / "full.db"), ())

    assert samples(empty).keys() == samples(parsed(plain(full))).keys()
    for family in KPIS:
        for sample in empty[family.name].samples:
            undefined = any(name in family.name for name in ("_ratio", "_sites_", "_seconds"))
            assert isnan(sample.value) if undefined else sample.value == 0, sample


def test_ratios_that_are_shares_lie_between_0_and_1_and_no_sample_has_a_time(
    exposition: Exposition,
) -> None:
    found = parsed(plain(exposition))

    assert all(s.timestamp is None for family in found.values() for s in family.samples)
    assert not any(name.endswith("_created") for name in found)
    for sample in found["kpi_new_user_success_ratio"].samples:
        assert 0 <= sample.value <= 1


def test_both_parts_of_each_ratio_are_exposed(exposition: Exposition) -> None:
    found = parsed(plain(exposition))

    def value(name: str, **labels: str) -> float:
        (sample,) = [s for s in found[name].samples if labels.items() <= s.labels.items()]
        return float(sample.value)

    outcomes = {
        name: value("kpi_dialogs", window="7d", outcome=name)
        for name in ("bounce", "fail", "assertion", "fallback", "idp")
    }
    newcomers = sum(outcomes.values()) - outcomes["assertion"]
    new = outcomes["fallback"] + outcomes["idp"]
    assert value("kpi_new_users", window="7d") == new
    assert value("kpi_new_user_success_ratio", window="7d") == new / newcomers
    shown = value("kpi_flow_step_interactions", window="7d", step="1 - Dialog shown")
    left = outcomes["bounce"] - value("kpi_bounces_signed_in", window="7d")
    assert value("kpi_abandonment_ratio", window="7d") == left / shown


def test_only_the_names_asked_for(exposition: Exposition) -> None:
    found = parsed(plain(exposition, names=["kpi_dialogs", "kpi_source_up", "kpi_nonsense"]))

    assert found.keys() == {"kpi_dialogs", "kpi_source_up"}
    assert len(found["kpi_dialogs"].samples) == 5 * len(WINDOWS)


def test_a_series_of_a_histogram_can_be_asked_for(exposition: Exposition) -> None:
    name = "kpi_exporter_import_lateness_seconds_count"
    text = plain(exposition, names=[name])

    assert re.findall(rf"^{name} .*$", text, re.MULTILINE) == [f"{name} 2000.0"]


@pytest.mark.parametrize("accept", [TEXT, OPENMETRICS])
def test_values_of_labels_are_escaped(tmp_path: Path, accept: str) -> None:
    exposition = Exposition(Status, lambda: "abc")
    exposition.publish(snapshot(tmp_path / "kpi.db", definitions=oddly_named()), MARKS)
    text = plain(exposition, accept)
    read = (
        openmetrics.text_string_to_metric_families
        if accept == OPENMETRICS
        else text_string_to_metric_families
    )
    found = {family.name: family for family in read(text)}

    assert {s.labels["milestone"] for s in found["kpi_milestone_timestamp_seconds"].samples} == {
        MARKS[0].name
    }
    assert ODD in {s.labels["segment"] for s in found["kpi_segment_dialogs"].samples}


def test_milestones_are_midnights(exposition: Exposition) -> None:
    (sample,) = parsed(plain(exposition))["kpi_milestone_timestamp_seconds"].samples

    assert sample.value == datetime(2013, 7, 23, tzinfo=UTC).timestamp()


def test_before_the_first_snapshot_the_exporters_own_state_is_exposed(promtool: Path) -> None:
    exposition = Exposition(Status, lambda: "abc")
    text = plain(exposition)
    found = parsed(text)

    assert not any(family.name in found for family in KPIS)
    assert isnan(found["kpi_snapshot_timestamp_seconds"].samples[0].value)
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=text.encode(), capture_output=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_while_snapshots_change_every_scrape_is_of_one(tmp_path: Path) -> None:
    first = snapshot(tmp_path / "1.db", seed=1)
    second = snapshot(tmp_path / "2.db", seed=2, definitions=fewer_segments())
    exposition = Exposition(Status, lambda: "abc")
    exposition.publish(first, ())
    alone = {samples_of(exposition, name) for name in (TEXT, OPENMETRICS)}
    exposition.publish(second, ())
    alone |= {samples_of(exposition, name) for name in (TEXT, OPENMETRICS)}
    seen: set[str] = set()
    done = threading.Event()

    def scrape(accept: str) -> None:
        while not done.is_set():
            seen.add(samples_of(exposition, accept))

    scrapers = [threading.Thread(target=scrape, args=(name,)) for name in (TEXT, OPENMETRICS)]
    for thread in scrapers:
        thread.start()
    for n in count():
        exposition.publish(first if n % 2 else second, ())
        if n >= 20 and len(seen) > 1:  # else the machine gives the scrapers no turn
            break
    done.set()
    for thread in scrapers:
        thread.join()

    assert seen <= alone
    assert len(seen) > 1


def samples_of(exposition: Exposition, accept: str) -> str:
    """The lines that differ from one snapshot to another, that on the definitions among them."""
    lines = plain(exposition, accept).splitlines()
    differing = ("kpi_s", "kpi_d", "kpi_exporter_build_info")
    return "\n".join(sorted(line for line in lines if line.startswith(differing)))


def test_without_a_source_nothing_is_said_of_one() -> None:
    exposition = Exposition(lambda: Status(importing=False), lambda: "abc")
    found = parsed(plain(exposition))

    for family in families.SOURCE:
        assert family.name.removesuffix("_total") not in found
    assert "kpi_store_up" in found


def test_where_nothing_is_collected_nothing_is_said_of_it() -> None:
    found = parsed(plain(Exposition(Status, lambda: "abc")))

    assert not [name for name in found if name.startswith("kpi_exporter_collect")]


def test_requests_are_counted_by_the_answers_that_there_are() -> None:
    recorder = CollectRecorder()
    recorder.answered(201, 0.02)
    recorder.answered(204, None)
    recorder.answered(418, 0.02)
    found = samples(parsed(plain(Exposition(Status, lambda: "abc", lambda: recorder.status))))
    counted = {
        dict(labels)["code"]: value
        for (name, labels), value in found.items()
        if name == "kpi_exporter_collect_requests_total"
    }

    assert {code for code, n in counted.items() if n != "0.0"} == {"201", "204", "500"}
    assert len(counted) == 11


@pytest.mark.parametrize("definitions", [persona(), oddly_named()], ids=["persona", "odd names"])
def test_kpis_are_written_as_the_client_library_writes_them(
    definitions: Definitions, tmp_path: Path
) -> None:
    taken = snapshot(tmp_path / "kpi.db", definitions=definitions)
    library = SimpleNamespace(collect=lambda: kpi_metrics(taken))

    assert kpi_text(taken).encode() == generate_latest(library)
