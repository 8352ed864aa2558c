"""The queries' vocabulary: PromQL made of the exporter's own families and labels.

A family or label that the exporter no longer has raises here, so a rename breaks the build and
not a panel. Three things hold for every query of a KPI:

- Of several exporters on one store the freshest speaks (as in `prometheus/rules`). A backfilled
  history has no snapshot timestamp; where there is none, any exporter does.
- Samples are looked for over an hour and not Prometheus' five minutes, for a backfilled history
  has one an hour.
- The dashboard's `job` and `instance` hold.
"""

import re
from dataclasses import dataclass, replace
from textwrap import indent

from exporter.metrics.families import BUILD_INFO, SEGMENTS, SNAPSHOT_TIME, TOTALS, Family, Kind

Z_95 = 1.96
"""The normal quantile of a two-sided 95% interval."""

# Matchers, as PromQL writes them.
TARGETS = ('job=~"$job"', 'instance=~"$instance"')
WINDOW = 'window="$window"'
DAY_WINDOW = 'window="1d"'
FLOW = 'flow=~"$flow"'
SEGMENTATION = 'segmentation="$segmentation"'
SEGMENT = 'segment=~"$segment"'
KPI_ALERT = 'alertname=~"Kpi.+"'
FIRING = 'alertstate="firing"'


class UnknownName(LookupError):
    """The exporter has no family, or the family no label, of this name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """A metric that is not the exporter's own, and whose it is."""

    name: str
    owner: str
    labels: tuple[str, ...] = ()
    targets: tuple[str, ...] = TARGETS


UP = Foreign(name="up", owner="Prometheus, for each target")
SCRAPE_DURATION = Foreign(name="scrape_duration_seconds", owner="Prometheus, for each target")
SCRAPE_SAMPLES = Foreign(name="scrape_samples_scraped", owner="Prometheus, for each target")
MEMORY = Foreign(name="process_resident_memory_bytes", owner="the Prometheus client library")
CPU = Foreign(name="process_cpu_seconds_total", owner="the Prometheus client library")
OPEN_FILES = Foreign(name="process_open_fds", owner="the Prometheus client library")
STARTED = Foreign(name="process_start_time_seconds", owner="the Prometheus client library")
# Rules aggregate instances away, and an alert that something is absent has no job either.
_ALERT = Foreign(
    name="ALERTS",
    owner="Prometheus, for each alert",
    labels=("alertname", "alertstate", "severity"),
    targets=('job=~"$job|"',),
)
ALERTS = _ALERT
ALERTS_SINCE = replace(_ALERT, name="ALERTS_FOR_STATE")
FOREIGN = (
    UP,
    SCRAPE_DURATION,
    SCRAPE_SAMPLES,
    MEMORY,
    CPU,
    OPEN_FILES,
    STARTED,
    ALERTS,
    ALERTS_SINCE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Which sample of a series is meant: the last one of `span` before the shifted instant."""

    span: str
    shift: str = ""


NOW = Moment(span="65m")
WEEK_BEFORE = Moment(span="65m", shift=" offset 1w")
END_OF_DAY = Moment(span="1h", shift=" offset -86399s")
"""At a UTC midnight: the last hour of the day that begins, so that its KPIs stand at its date."""


def total(kpi: str) -> Family:
    """Find the family of a KPI over all interactions."""
    return _of_kpi(TOTALS, kpi)


def by_segment(kpi: str) -> Family:
    """Find the family of a KPI by segment."""
    return _of_kpi(SEGMENTS, kpi)


def _of_kpi(families: tuple[Family, ...], kpi: str) -> Family:
    found = next((family for family in families if family.kpi == kpi), None)
    if found is None:
        raise UnknownName(kpi)
    return found


def selector(metric: Family | Foreign, *matchers: str, suffix: str = "") -> str:
    """Select a metric's series among the dashboard's targets; `suffix` is a histogram's."""
    if suffix and not (isinstance(metric, Family) and metric.kind is Kind.HISTOGRAM):
        raise UnknownName(f"{metric.name}{suffix}")
    for matcher in matchers:
        label = re.split("[=!]", matcher)[0]
        if label not in metric.labels:
            raise UnknownName(f"{metric.name} has no label {label}")
    targets = metric.targets if isinstance(metric, Foreign) else TARGETS
    return f"{metric.name}{suffix}{{{', '.join((*targets, *matchers))}}}"


def sampled(metric: Family | Foreign, *matchers: str, at: Moment = NOW) -> str:
    """Return the metric's values at a moment, each exporter's own."""
    return f"last_over_time({selector(metric, *matchers)}[{at.span}]{at.shift})"


def of_exporters(expression: str) -> str:
    """Leave, of what every target has, the targets that were exporters within the last day.

    All jobs are chosen by `.+`, which other programs' targets match too.
    """
    known = f"last_over_time({selector(BUILD_INFO)}[1d])"
    return f"{expression}\nand on (job, instance) {known}"


def freshest(expression: str, at: Moment = NOW) -> str:
    """Return what the freshest exporter of each job says, without its `instance`."""
    newest = sampled(SNAPSHOT_TIME, at=at)
    unstamped = sampled(total("sign_in_attempts"), WINDOW, at=at)
    return "\n".join(
        (
            "max without (instance) (",
            _indented(expression),
            "  and on (job, instance) topk by (job) (1,",
            f"    max by (job, instance) ({newest})",
            f"    or 0 * max by (job, instance) ({unstamped})",
            "  )",
            ")",
        )
    )


def kpi(metric: Family, *matchers: str, at: Moment = NOW) -> str:
    """Return a KPI of the chosen window at a moment, as the freshest exporter says."""
    return freshest(sampled(metric, WINDOW, *matchers, at=at), at)


def change(metric: Family, *matchers: str, relative: bool) -> str:
    """Return a KPI's change against the week before: a difference, or a share of what it was."""
    now, before = kpi(metric, *matchers), kpi(metric, *matchers, at=WEEK_BEFORE)
    difference = f"{now}\n-\n{before}"
    return f"(\n{_indented(difference)}\n)\n/\n({before} > 0)" if relative else difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A share with its parts, so that it can be bounded: `part` out of `whole`, both PromQL."""

    part: str
    whole: str

    def ratio(self) -> str:
        """Return the share where there is anything to share."""
        return freshest(f"({self.part}) / ({self.whole} > 0)")

    def size(self) -> str:
        """Return the sample's size where there is one."""
        return freshest(f"{self.whole} > 0")

    def bound(self, side: str) -> str:
        """Return Wilson's 95% bound: `-` for the lower one, `+` for the upper."""
        part, whole = f"({self.part})", f"({self.whole} > 0)"
        spread = f"sqrt({part} * ({whole} - {part}) / {whole} + {Z_95**2 / 4:.4f})"
        return freshest(
            f"({part} + {Z_95**2 / 2:.4f} {side} {Z_95} * {spread})\n/ ({whole} + {Z_95**2:.4f})"
        )


def _indented(expression: str) -> str:
    return indent(expression, "  ")
