"""Exposition: a snapshot and the exporter's own state as Prometheus reads them."""

import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import nan

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client import exposition as text_format
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from exporter import __version__
from exporter.domain.kpis import KPIS
from exporter.domain.lateness import BOUNDS_SECONDS
from exporter.domain.reports import Milestone, milestone_labels
from exporter.domain.windows import hour_of, start_of
from exporter.metrics import families
from exporter.metrics.accept import weights
from exporter.metrics.collecting import CollectStatus
from exporter.metrics.families import Family
from exporter.metrics.gzip_member import GzipPrefix
from exporter.metrics.kpi_text import kpi_text
from exporter.metrics.snapshot import Snapshot
from exporter.metrics.status import Histogram, Status

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_EOF = b"# EOF\n"


def kpi_metrics(snapshot: Snapshot) -> Iterator[Metric]:
    """Render every KPI family of a snapshot."""
    layout = snapshot.layout
    for family in families.TOTALS:
        metric = _gauge(family)
        for window, rows in snapshot.windows.items():
            for labels, number in KPIS[family.kpi].compute(layout, rows[layout.segments[0]]):
                metric.add_metric((window, *labels), number.value)
        yield metric
    for family in families.SEGMENTS:
        metric = _gauge(family)
        compute = KPIS[family.kpi].compute
        for span in snapshot.spans:
            for row in layout.segments[1:] if span.by_segment else ():
                for labels, number in compute(layout, snapshot.windows[span.name][row]):
                    metric.add_metric((span.name, *row, *labels), number.value)
        yield metric


def milestone_metrics(milestones: Sequence[Milestone]) -> Iterator[Metric]:
    """Render the milestones, and which of them are quiet days."""
    metric, quiet = _gauge(families.MILESTONE), _gauge(families.QUIET_DAY)
    for mark, label in zip(milestones, milestone_labels(milestones), strict=True):
        metric.add_metric((label,), mark.timestamp)
        if mark.quiet:
            quiet.add_metric((label,), mark.timestamp)
    yield metric
    yield quiet


def operation_metrics(
    state: Status, snapshot: Snapshot | None, digest: str, collected: CollectStatus | None = None
) -> Iterator[Metric]:
    """Render the exporter's own state."""
    held = state.stats
    yield _single(families.STORE_UP, _or_nan(state.store_up))
    yield _single(families.STORE_INTERACTIONS, nan if held is None else held.interactions)
    yield _single(families.NEWEST_INTERACTION, _seconds(state.newest_interaction))
    yield _single(families.SNAPSHOT_TIME, _seconds(None if snapshot is None else snapshot.taken))
    if state.importing:
        yield from _source_metrics(state)
    if collected is not None:
        yield from _collect_metrics(collected)
    lateness = state.lateness
    yield _histogram(
        families.LATENESS,
        Histogram(bounds=BOUNDS_SECONDS, counts=lateness.counts, sum=lateness.seconds),
    )
    completeness = _gauge(families.COMPLETENESS)
    if snapshot is not None:
        into_hour = snapshot.taken - start_of(hour_of(snapshot.taken))
        for span in snapshot.spans:
            completeness.add_metric(
                (span.name,),
                lateness.expected_completeness(span.hours, into_hour.total_seconds()),
            )
    yield completeness
    rejected = _gauge(families.REJECTED)
    for reason, n in state.rejected.items():
        rejected.add_metric((reason,), n)
    yield rejected
    share = 1.0 if state.rebuild is None else state.rebuild.done / max(state.rebuild.total, 1)
    yield _single(families.REBUILD, share)
    yield _single(families.RELOAD_SUCCESSFUL, float(state.reload_successful))
    yield _single(families.RELOAD_TIME, _seconds(state.reload_success))
    build = _gauge(families.BUILD_INFO)
    build.add_metric((__version__, platform.python_version(), digest), 1)
    yield build


def _source_metrics(state: Status) -> Iterator[Metric]:
    yield _single(families.SOURCE_UP, _or_nan(state.source_up))
    yield _single(families.SOURCE_INTERACTIONS, state.source_interactions)
    yield _counter(families.IMPORT_RUNS, state.runs.items())
    yield _counter(families.IMPORT_INTERACTIONS, state.interactions.items())
    yield _counter(families.IMPORT_LATE, [((), state.late)])
    yield _histogram(families.IMPORT_DURATION, state.durations)
    yield _single(families.IMPORT_INTERVAL, state.import_interval_seconds)
    yield _single(families.IMPORT_LAST_SUCCESS, _seconds(state.last_success))
    yield _single(families.IMPORT_LAST_ATTEMPT, _seconds(state.last_attempt))
    yield _single(families.MISSING, state.missing)
    yield _single(families.UNREACHABLE, state.unreachable)


def _collect_metrics(collected: CollectStatus) -> Iterator[Metric]:
    codes = ((str(code), n) for code, n in collected.requests.items())
    yield _counter(families.COLLECT_REQUESTS, codes)
    yield _counter(families.COLLECT_INTERACTIONS, collected.interactions.items())
    yield _histogram(families.COLLECT_DURATION, collected.durations)


def _gauge(family: Family) -> GaugeMetricFamily:
    return GaugeMetricFamily(family.name, family.text, labels=family.labels)


def _single(family: Family, value: float) -> Metric:
    metric = _gauge(family)
    metric.add_metric((), value)
    return metric


def _counter(family: Family, values: Iterable[tuple[str | tuple[str, ...], int]]) -> Metric:
    metric = CounterMetricFamily(
        family.name.removesuffix("_total"), family.text, labels=family.labels
    )
    for label, n in values:
        metric.add_metric((label,) if isinstance(label, str) else label, n)
    return metric


def _histogram(family: Family, histogram: Histogram) -> Metric:
    metric = HistogramMetricFamily(family.name, family.text, labels=family.labels)
    below = 0
    buckets = []
    for bound, n in zip((*histogram.bounds, float("inf")), histogram.counts, strict=True):
        below += n
        buckets.append((_bound(bound), below))
    metric.add_metric((), buckets, histogram.sum)
    return metric


def _bound(bound: float) -> str:
    return "+Inf" if bound == float("inf") else repr(float(bound))


def _or_nan(value: float | None) -> float:
    return nan if value is None else float(value)


def _seconds(when: datetime | None) -> float:
    return nan if when is None else when.timestamp()


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An answer's body as it goes over the wire; `encoding` is `gzip` or empty."""

    content_type: str
    encoding: str
    content: bytes


class Exposition:
    """Holds the last snapshot ready to be scraped, rendered and compressed once.

    Once for both formats: they write gauges alike, and a snapshot is nothing else. One thread
    publishes; any number may scrape at once. A scrape renders only the exporter's own state.
    """

    def __init__(
        self,
        status: Callable[[], Status],
        digest: Callable[[], str],
        collected: Callable[[], CollectStatus | None] = lambda: None,
    ) -> None:
        self._operations = status
        self._digest = digest
        self._collected = collected
        self._published: tuple[Snapshot | None, GzipPrefix, tuple[Milestone, ...]]
        self._published = (None, GzipPrefix(b""), ())
        self._process = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._process)
        PlatformCollector(registry=self._process)
        GCCollector(registry=self._process)

    def _own(self, snapshot: Snapshot | None) -> Iterator[Metric]:
        """Return the exporter's own state, under the definitions of the snapshot beside it."""
        digest = self._digest() if snapshot is None else snapshot.definitions.digest
        yield from operation_metrics(self._operations(), snapshot, digest, self._collected())
        yield from self._process.collect()

    @property
    def snapshot(self) -> Snapshot | None:
        """The snapshot that is exposed; None before the first."""
        return self._published[0]

    def publish(self, snapshot: Snapshot, milestones: Sequence[Milestone]) -> None:
        """Expose a snapshot instead of the one before: one switch."""
        marks = tuple(milestones)
        rest = _render(milestone_metrics(marks), TEXT)
        self._published = (snapshot, GzipPrefix(kpi_text(snapshot).encode() + rest), marks)

    def scrape(self, *, accept: str, compress: bool, names: Sequence[str] = ()) -> Response:
        """Answer a scrape: in the format by `accept`, of all families or those in `names`."""
        name = OPENMETRICS if _prefers_openmetrics(accept) else TEXT
        snapshot, part, marks = self._published
        end = _EOF if name == OPENMETRICS else b""
        if names:
            shown = () if snapshot is None else (*kpi_metrics(snapshot), *milestone_metrics(marks))
            metrics = _only(names, (*shown, *self._own(snapshot)))
            part = GzipPrefix(b"")
        else:
            metrics = self._own(snapshot)
        rest = _render(metrics, name) + end
        content = part.finish_with(rest) if compress else part.plain + rest
        return Response(content_type=name, encoding="gzip" if compress else "", content=content)


def _prefers_openmetrics(accept: str) -> bool:
    """Return whether a client with this `Accept` would rather have OpenMetrics.

    Prometheus puts the formats of its `scrape_protocols` in order by their weights.
    """
    wanted = weights(accept)
    openmetrics = wanted.get("application/openmetrics-text", 0)
    return openmetrics > 0 and openmetrics >= wanted.get("text/plain", 0)


def _only(names: Sequence[str], metrics: Iterable[Metric]) -> Iterator[Metric]:
    """Return only the families, or the series of families, of these names."""
    wanted = frozenset(names)
    for metric in metrics:
        if metric.name not in wanted:
            metric.samples = [sample for sample in metric.samples if sample.name in wanted]
        if metric.samples:
            yield metric


class _Metrics(Collector):
    """Metrics that were made for this scrape."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _render(metrics: Iterable[Metric], name: str) -> bytes:
    render = openmetrics.generate_latest if name == OPENMETRICS else text_format.generate_latest
    content: bytes = render(_Metrics(metrics))
    return content.removesuffix(_EOF)
