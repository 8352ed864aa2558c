"""What a real Prometheus holds after a backfill, asked at random instants and at the seam."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from math import isclose
from pathlib import Path
from random import Random

import pytest

from exporter.commands.main import main
from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.kpis import KPIS
from exporter.maintenance.reports import read_report
from fake_server import FakeKpiggybank
from testing.exporter_process import daemon, write_config
from testing.waiting import eventually
from tests.builders import (
    BOUNCE,
    FEWER_SEGMENTS,
    RETURNING,
    batch,
    crowd,
    fewer_segments,
    row,
    sqlite_store,
)
from tests.metrics.backfill.blocks import Server, make_blocks, prometheus_on

START, END = datetime(2013, 7, 1, tzinfo=UTC), datetime(2013, 7, 7, tzinfo=UTC)
DAYS = [date(2013, 7, day) for day in range(1, 7)]
FAMILIES = {
    "assertions": "sign_in_attempts",
    "bounce_rate": "bounce_ratio",
    "new_user_bounce": "new_user_bounce_ratio",
    "new_user_success": "new_user_success_ratio",
    "new_user_per_day": "new_users",
    "sites": "sites_signed_in_mean",
    "sites_median": "sites_signed_in_median",
}
FLOWS = {
    "new_user_time": "new_user",
    "password_reset": "password_reset",
    "general_progress_time": "general_progress",
    "add_email": "add_email",
}


def _config(folder: Path, source: str) -> Path:
    return write_config(
        folder / "config.yml", source, segmentations=FEWER_SEGMENTS, windows=["1d", "2d"]
    )


def history(folder: Path, *arguments: str) -> Path:
    config = _config(folder, "http://127.0.0.1:9/")
    output = folder / "history.om"
    code = main(["backfill", f"--config.file={config}", f"--output={output}", *arguments])
    assert code == 0
    return output


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("backfilled")
    sqlite_store(folder / "kpi.db", crowd(3, 400, START, END), fewer_segments()).close()
    return folder


@pytest.fixture(scope="module")
def backfilled(folder: Path, promtool: Path, prometheus: Path) -> Iterator[Server]:
    made = history(folder, f"--from={START}", f"--to={END}", "--label=instance=exporter:3434")
    make_blocks(promtool, made, folder / "tsdb")
    with prometheus_on(prometheus, folder) as server:
        yield server


def in_the_last_hour(day: date, random: Random) -> float:
    """A random instant at which the window of a day is this day."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
    return midnight + 23 * 3600 + random.uniform(0, 3599)


def test_at_random_instants_it_has_the_values_of_the_reports(
    folder: Path, backfilled: Server
) -> None:
    store = sqlite_store(folder / "kpi.db", (), fewer_segments())
    evaluator = Evaluator(fewer_segments())
    random = Random(5)
    scrape = {"job": "kpi-exporter", "instance": "exporter:3434"}
    compared = 0
    for day in DAYS:
        found = backfilled.at('{__name__=~"kpi_.+", window="1d"}', in_the_last_hour(day, random))
        for name, kpi in FAMILIES.items():
            assert kpi in KPIS
            for segmentation in (None, "EmailType"):
                told = read_report(
                    store, evaluator, name, first=day, last=day, segmentation=segmentation
                )
                for segment, ((entry,)) in told.items():
                    labels = {"__name__": f"kpi_{kpi}", "window": "1d", **scrape}
                    if segmentation:
                        labels["__name__"] = f"kpi_segment_{kpi}"
                        labels |= {"segmentation": segmentation, "segment": segment}
                    value = found[tuple(sorted(labels.items()))]
                    assert entry["value"] is None or isclose(value, entry["value"])
                    compared += 1
        for name, flow in FLOWS.items():
            told = read_report(store, evaluator, name, first=day, last=day)
            for step, shares in told.items():
                labels = {"__name__": "kpi_flow_step_ratio", "window": "1d", **scrape}
                labels |= {"flow": flow, "step": step}
                share = shares[day.isoformat()]
                value = found[tuple(sorted(labels.items()))]
                assert share is None or isclose(value, share)
                compared += 1
    store.close()
    assert compared > len(DAYS) * (len(FAMILIES) + len(FLOWS))


def test_every_instant_of_the_range_has_an_answer(backfilled: Server) -> None:
    points = backfilled.api(
        "query_range",
        query='count({job="kpi-exporter"})',
        start=START.timestamp(),
        end=END.timestamp(),
        step=97,
    )["result"][0]["values"]

    assert len({count for _, count in points}) == 1
    assert len(points) == 1 + (END - START) // timedelta(seconds=97)


def test_running_it_again_replaces_what_was_there(
    promtool: Path, prometheus: Path, tmp_path: Path
) -> None:
    """As docs/history.md says: delete the series up to the seam, then add the new blocks."""
    store = sqlite_store(tmp_path / "kpi.db", crowd(3, 30, START, END), fewer_segments())
    span = (f"--from={START}", f"--to={END}", "--step=1h")
    make_blocks(promtool, history(tmp_path, *span), tmp_path / "tsdb")
    attempts, noon = 'kpi_sign_in_attempts{window="2d"}', datetime(2013, 7, 5, 12, tzinfo=UTC)

    with prometheus_on(prometheus, tmp_path) as server:
        (before,) = server.at(attempts, noon.timestamp()).values()
        late = [row(*BOUNCE, at=noon - timedelta(hours=n)) for n in range(5)]
        store.add(batch(late, fewer_segments()), END)
        series = {"match[]": '{__name__=~"kpi_.+",job="kpi-exporter"}'}
        server.api("admin/tsdb/delete_series", end=END.timestamp(), **series)
        assert not server.at(attempts, noon.timestamp())
        make_blocks(promtool, history(tmp_path, *span), tmp_path / "tsdb")
    with prometheus_on(prometheus, tmp_path) as server:
        (after,) = server.at(attempts, noon.timestamp()).values()
    store.close()

    assert after == before + 5


def test_scraping_goes_on_where_the_backfill_ends(
    promtool: Path, prometheus: Path, tmp_path: Path
) -> None:
    begin = datetime.now(UTC) - timedelta(hours=8)  # noqa: TID251 -- a scrape is of now
    with FakeKpiggybank() as bank:
        bank.load_rows([_served(n, begin + timedelta(minutes=20 * n)) for n in range(24)])
        config = _config(tmp_path, bank.url)
        with daemon(config) as exporter:
            exporter.await_import()
            target = exporter.address.removeprefix("http://")

            def scrapes(server: Server) -> float:
                found = server.at("count_over_time(kpi_exporter_build_info[1h])", _clock())
                return sum(found.values())

            with prometheus_on(prometheus, tmp_path, target) as server:
                output = tmp_path / "history.om"
                arguments = (f"--config.file={config}", f"--output={output}", f"--from={begin}")
                assert main(["backfill", *arguments, f"--label=instance={target}"]) == 0
                make_blocks(promtool, output, tmp_path / "tsdb")
                eventually(lambda: scrapes(server) >= 3)
            # Started again it takes in the blocks, and its own log from the newest one's end on.
            with prometheus_on(prometheus, tmp_path, target) as server:
                (series,) = server.api(
                    "query", query='kpi_sign_in_attempts{window="1d"}[9h]', time=_clock()
                )["result"]
                scraped = scrapes(server)

    assert series["metric"]["instance"] == target
    times = [at for at, _ in series["values"]]
    assert times[0] - begin.timestamp() <= 300
    assert max(after - before for before, after in pairwise(times)) <= 300, "no gap"
    written = [at for at in times if at == int(at)]
    assert times[: len(written)] == written, "no overlap"
    assert len(times) - len(written) == scraped >= 3, "no scrape was lost to the blocks"


def _served(n: int, at: datetime) -> dict[str, object]:
    when = int(at.timestamp() * 1000)
    blob = {"timestamp": when, "event_stream": [[name, 0] for name in RETURNING]}
    return {"id": str(n), "key": when, "value": blob}


def _clock() -> float:
    return datetime.now(UTC).timestamp()  # noqa: TID251 -- Prometheus scrapes by it
