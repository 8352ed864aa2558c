"""A real Prometheus with the past of simulated users in it, at an instant that never moves."""

import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from math import isnan
from pathlib import Path
from typing import Any, TextIO

import requests
from prometheus_client.core import Metric

from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.interaction import Reason, Row
from exporter.domain.lateness import Lateness
from exporter.domain.reports import Milestone
from exporter.domain.windows import Window
from exporter.metrics.backfill import Grid, History
from exporter.metrics.collecting import CollectStatus
from exporter.metrics.exposition import kpi_metrics, operation_metrics
from exporter.metrics.snapshot import take_snapshot
from exporter.metrics.status import Histogram, Status
from exporter.ports import Store
from fake_server.blob import write
from fake_server.crowd import Crowd
from testing.processes import answers, running, unused_port
from testing.waiting import WAIT_SECONDS
from tests.builders import batch, persona, sqlite_store

NOW = datetime(2026, 3, 12, 10, 30, tzinfo=UTC)
JOB = "kpi-exporter"
FRESH, HANGING = "exporter:3434", "exporter_2:3434"
ANOTHER = ("prometheus", "localhost:9090")
MILESTONES = (
    Milestone(name="Gmail Bridge Live", date=date(2026, 3, 5)),
    Milestone(name="New dialog", date=date(2026, 3, 10)),
)
WINDOWS = (
    Window(name="1d", hours=24),
    Window(name="7d", hours=168),
    Window(name="30d", hours=720),
)
SCRAPE_INTERVAL = timedelta(seconds=30)
_IMPORT_EVERY = timedelta(minutes=5)
_AN_IMPORT = timedelta(minutes=2)
_HUNG_FOR = timedelta(hours=3)
_FIRED_FOR = timedelta(hours=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A Prometheus that answers at `url`, and the store that its KPIs were computed from."""

    url: str
    session: requests.Session
    store: Store | None = None

    def ask(self, expr: str, at: int) -> list[dict[str, Any]]:
        """Evaluate a query at one instant."""
        return self._result("query", query=expr, time=str(at))

    def ask_range(self, expr: str, start: int, end: int, step: int) -> list[dict[str, Any]]:
        """Evaluate a query at every step of a range."""
        return self._result(
            "query_range", query=expr, start=str(start), end=str(end), step=str(step)
        )

    def label_values(self, metric: str, label: str, start: int, end: int) -> list[str]:
        """List a label's values among the series of a range."""
        answer = self.session.get(
            f"{self.url}/api/v1/label/{label}/values",
            params={"match[]": metric, "start": str(start), "end": str(end)},
            timeout=WAIT_SECONDS,
        ).json()
        assert answer["status"] == "success", answer
        values: list[str] = answer["data"]
        return values

    def _result(self, api: str, **parameters: str) -> list[dict[str, Any]]:
        sent = self.session.post(f"{self.url}/api/v1/{api}", parameters, timeout=WAIT_SECONDS)
        answer = sent.json()
        assert answer["status"] == "success", f"{answer}\n{parameters['query']}"
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result


@contextmanager
def filled_prometheus(
    prometheus: Path,
    promtool: Path,
    folder: Path,
    *,
    crowd: Crowd,
    days: int,
    windows: Sequence[Window] = WINDOWS,
    scraped_for: timedelta = timedelta(hours=2),
) -> Iterator[Filled]:
    """Fill a Prometheus with so many days up to `NOW` and run it until the block ends.

    The KPIs' history is backfilled by the hour; what the exporter says of itself was scraped.
    """
    store = _filled_store(folder / "kpi.db", crowd, NOW - timedelta(days=days))
    evaluator = Evaluator(persona())
    with (folder / "history.om").open("wb") as out, (folder / "spool").open("w+b") as spool:
        history = History(
            evaluator,
            windows=windows,
            milestones=MILESTONES,
            grid=Grid(start=NOW - timedelta(days=days), end=NOW, step=timedelta(hours=1)),
            labels={"job": JOB, "instance": FRESH},
            spool=spool,
        )
        list(history.compute(store))
        list(history.write(out))
    with (folder / "scrapes.om").open("w") as out:
        _write_scrapes(out, store, evaluator, windows, scraped_for)
    blocks = folder / "blocks"
    for name in ("history.om", "scrapes.om"):
        make_blocks(promtool, folder / name, blocks)
    with serving(prometheus, folder, blocks) as running:
        yield replace(running, store=store)
    store.close()


def make_blocks(promtool: Path, openmetrics: Path, blocks: Path) -> None:
    """Make blocks for a Prometheus of what would have been scraped."""
    # The whole file is read for each block; with those of 2 h that takes minutes.
    few = "--max-block-duration=4374h"
    subprocess.run(
        [promtool, "tsdb", "create-blocks-from", "openmetrics", few, openmetrics, blocks],
        check=True,
        capture_output=True,
    )


@contextmanager
def serving(prometheus: Path, folder: Path, blocks: Path) -> Iterator[Filled]:
    """Run a Prometheus that scrapes nothing on blocks."""
    config = folder / "prometheus.yml"
    config.write_text("{}")
    port = unused_port()
    url = f"http://127.0.0.1:{port}"
    with (
        requests.Session() as session,
        running(
            prometheus,
            f"--config.file={config}",
            f"--storage.tsdb.path={blocks}",
            "--storage.tsdb.retention.time=10y",
            f"--web.listen-address=127.0.0.1:{port}",
            ready=lambda: answers(f"{url}/-/ready"),
            directory=folder,
        ),
    ):
        yield Filled(url=url, session=session)


def _filled_store(path: Path, crowd: Crowd, since: datetime) -> Store:
    store = sqlite_store(path)
    plans = list(crowd.plans(since, NOW))
    for first in range(0, len(plans), 5000):
        rows = [Row(f"{p.number:040x}", write(p).encode()) for p in plans[first : first + 5000]]
        store.add(batch(rows), NOW)
    return store


# -- What scrapes would have found beside the KPIs' history --


def _write_scrapes(
    out: TextIO,
    store: Store,
    evaluator: Evaluator,
    windows: Sequence[Window],
    scraped_for: timedelta,
) -> None:
    """Two exporters on one store: one works, one has hung for hours and shows what it knew."""
    fresh = take_snapshot(store, evaluator, windows, NOW)
    hung = take_snapshot(store, evaluator, windows, NOW - _HUNG_FOR)
    since = NOW - scraped_for
    for at in _instants(since, SCRAPE_INTERVAL):
        status, last = operations_at(store, since, at)
        for instance, taken in ((FRESH, last), (HANGING, min(last, hung.taken))):
            snapshot = replace(fresh, taken=taken)
            shown = operation_metrics(status, snapshot, evaluator.digest, _collected(at - since))
            _write(out, shown, instance, at)
            _write_foreign(out, JOB, instance, at)
        _write_foreign(out, *ANOTHER, at)
    for at in _instants(NOW - timedelta(hours=1), timedelta(minutes=10)):
        _write(out, kpi_metrics(hung), HANGING, at)
    for at in _instants(NOW - _FIRED_FOR, timedelta(minutes=1)):
        _write_alert(out, at)
    print("# EOF", file=out)


def _collected(for_so_long: timedelta) -> CollectStatus:
    """What an exporter that collects, too, has counted: a request a second, few refused."""
    n = int(for_so_long.total_seconds())
    return CollectStatus(
        requests={201: n, 400: n // 100, 503: n // 900},
        interactions={"imported": 2 * n, "duplicate": n // 20, "rejected": n // 50},
        durations=Histogram(bounds=(0.01, 0.1), counts=(n // 2, n - n // 2, 0), sum=0.02 * n),
    )


def operations_at(store: Store, since: datetime, at: datetime) -> tuple[Status, datetime]:
    """What an exporter that imports every few minutes knows of its work, and its last import."""
    runs = (at - since) // _IMPORT_EVERY + 1
    last = since + (runs - 1) * _IMPORT_EVERY - _AN_IMPORT
    durations = Histogram(bounds=(0.5, 1.0, 5.0), counts=(runs // 2, runs - runs // 2, 0, 0))
    lateness = Lateness(observed_seconds=timedelta(days=60).total_seconds())
    stats = replace(
        store.stats(),
        rejected={Reason.NO_TIMESTAMP: 4 + runs // 9, Reason.EVENT_STREAM: 2},
        newest_ms=int((last - timedelta(minutes=9)).timestamp() * 1000),
    )
    state = Status(
        source_up=True,
        store_up=True,
        source_interactions=stats.interactions + 5,
        stats=stats,
        missing=max(0, 8 - runs),
        unreachable=2,
        lateness=lateness.see(runs * [*[20.0] * 60, *[7_000.0] * 20, 90_000.0]),
        runs={"success": runs, "failure": runs // 40},
        interactions={
            "imported": 60 * runs + runs**2 // 9,
            "duplicate": 90 * runs,
            "ignored": 2 * runs,
            "rejected": runs // 3,
        },
        late=3 * runs,
        durations=replace(durations, sum=0.6 * runs),
        last_attempt=last,
        last_success=last,
        reload_success=since,
    )
    return state, last


def _instants(start: datetime, step: timedelta) -> Iterator[datetime]:
    while start <= NOW:
        yield start
        start += step


def _write(out: TextIO, metrics: Iterable[Metric], instance: str, at: datetime) -> None:
    for metric in metrics:
        for sample in metric.samples:
            labels = {**sample.labels, "job": JOB, "instance": instance}
            written = ",".join(f'{name}="{value}"' for name, value in labels.items())
            value = "NaN" if isnan(sample.value) else repr(float(sample.value))
            print(f"{sample.name}{{{written}}} {value} {at.timestamp()}", file=out)


def _write_foreign(out: TextIO, job: str, instance: str, at: datetime) -> None:
    """What Prometheus and its client library add to each scrape, of any program."""
    ran = (at - NOW).total_seconds() + 90_000
    number = 1 if instance == FRESH else 2
    for name, value in (
        ("up", 1),
        ("scrape_duration_seconds", 0.004 + at.minute % 7 / 5_000),
        ("scrape_samples_scraped", 4_700),
        ("process_resident_memory_bytes", (80 + number * 20 + at.minute % 7) * 1e6),
        ("process_cpu_seconds_total", ran * 0.03 / number),
        ("process_open_fds", 17 + number),
        ("process_start_time_seconds", NOW.timestamp() - 90_000),
    ):
        print(f'{name}{{job="{job}",instance="{instance}"}} {value} {at.timestamp()}', file=out)


def _write_alert(out: TextIO, at: datetime) -> None:
    labels = (
        'alertname="KpiSegmentBounceRateHigh",severity="warning",segmentation="OS",'
        f'segment="Linux",window="1d",job="{JOB}"'
    )
    began = NOW - _FIRED_FOR
    print(f'ALERTS{{alertstate="firing",{labels}}} 1 {at.timestamp()}', file=out)
    print(f"ALERTS_FOR_STATE{{{labels}}} {began.timestamp()} {at.timestamp()}", file=out)
