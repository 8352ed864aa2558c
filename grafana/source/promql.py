"""The queries' vocabulary: PromQL made of the exporter's own families and labels.

A family or label that the exporter no longer has raises here, so a rename breaks the build and
not a panel. Four things hold for every query of a KPI:

- Of several exporters on one store the freshest speaks (as in `prometheus/rules`). A backfilled
  history has no snapshot timestamp; where there is none, any exporter does.
- Only what identifies a service and the family's own labels remain: what a scraper adds (`pod`,
  `namespace`) changes with every rollout.
- Samples are looked for over an hour and not Prometheus' five minutes, for a backfilled history
  has one an hour.
- The dashboard's `job` and `instance` hold.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from textwrap import indent

from exporter.metrics.families import (
    BUILD_INFO,
    COMPLETENESS,
    SEGMENTS,
    SNAPSHOT_TIME,
    TOTALS,
    Family,
    Kind,
)

SERVICE, TARGET = "@service", "@target"
"""The labels that identify a service, and those that tell its processes apart.

`grafana.generate` puts them in, from where the rules have them.
"""

# Matchers, as PromQL writes them. Names that a configuration chooses may hold quotes, which
# Grafana's own escaping leaves alone; as a regular expression between backticks they are safe.
TARGETS = ('job=~"$job"', 'instance=~"$instance"')
WINDOW = 'window="$window"'
DAY_WINDOW = 'window="1d"'
FLOW = "flow=~`${flow:regex}`"
SEGMENTATION = "segmentation=~`${segmentation:regex}`"
SEGMENT = "segment=~`${segment:regex}`"
DURATION = "duration=~`${duration:regex}`"
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
WINDOW_BEFORE = Moment(span="65m", shift=" offset $window")
END_OF_RANGE = Moment(span="65m", shift=" @ end()")
DAY_THAT_BEGINS = Moment(span="1h", shift=" offset -86399s")
"""At a UTC midnight: the last hour of the day that begins, so that its KPIs stand at its date."""
DAY_THAT_ENDS = Moment(span="1h", shift=" offset 1s")
"""At a UTC midnight: the last hour of the day that ends."""


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
    return f"{expression}\nand on ({TARGET}) {known}"


def by_service(function: str, expression: str, *labels: str) -> str:
    """Aggregate to one series for each service and combination of these labels."""
    return f"{function} by ({', '.join((SERVICE, *labels))}) ({expression})"


def freshest(expression: str, *labels: str, at: Moment = NOW) -> str:
    """Return what the freshest exporter of each service says, with these labels."""
    newest = sampled(SNAPSHOT_TIME, at=at)
    unstamped = sampled(total("sign_in_attempts"), WINDOW, at=at)
    return "\n".join(
        (
            f"max by ({', '.join((SERVICE, *labels))}) (",
            _indented(expression),
            f"  and on ({TARGET}) topk by ({SERVICE}) (1,",
            f"    max by ({TARGET}) ({newest})",
            f"    or 0 * max by ({TARGET}) ({unstamped})",
            "  )",
            ")",
        )
    )


def kpi(metric: Family, *matchers: str, at: Moment = NOW) -> str:
    """Return a KPI of the chosen window at a moment, as the freshest exporter says."""
    return freshest(sampled(metric, WINDOW, *matchers, at=at), *metric.labels, at=at)


def expected(count: Family, *matchers: str, at: Moment = NOW) -> str:
    """Return what a count will come to when all is in, by the lateness known at that moment.

    What was scraped lacks what came late; what was backfilled has no completeness, and lacks none.
    """
    counted = sampled(count, WINDOW, *matchers, at=at)
    known = sampled(COMPLETENESS, WINDOW, at=at)
    on = f"on ({TARGET}, window)"
    return freshest(
        f"{counted}\n/ {on} group_left ()\n({known} > 0 or {on} 0 * {counted} + 1)",
        *count.labels,
        at=at,
    )


def difference(now: str, before: str) -> str:
    """Return by how many percentage points a ratio has moved."""
    return f"100 * (\n{_indented(now)}\n  -\n{_indented(before)}\n)"


def growth(now: str, before: str) -> str:
    """Return by how many percent a count or a mean has moved."""
    return f"{difference(now, before)}\n/\n({before} > 0)"


# -- Labels --


def any_of(expressions: Iterable[str]) -> str:
    """Return the series of the first expression that has each."""
    return "(\n  {}\n)".format("\n  or ".join(expressions))


def place(flow: str, step: str) -> tuple[str, str]:
    """Match a step of a flow."""
    return f'flow="{quoted(flow)}"', f'step="{quoted(step)}"'


def quoted(text: str) -> str:
    """Escape a text for PromQL's double quotes."""
    return text.replace("\\", r"\\").replace('"', r"\"")


def relabelled(expression: str, label: str, text: str, source: str = "", pattern: str = "") -> str:
    """Set a label where another matches; without a source everywhere."""
    return f'label_replace({expression}, "{label}", "{quoted(text)}", "{source}", "{pattern}")'


def titled(expression: str, label: str, titles: Mapping[str, str]) -> str:
    """Add the label `title`: of the names that are known theirs, else the name."""
    result = relabelled(expression, "title", "$1", label, "(.*)")
    for name, title in titles.items():
        if title != name:
            pattern = quoted(re.sub(r"[\\^$*+?.()|\[\]{}]", r"\\\g<0>", name))
            result = relabelled(result, "title", title.replace("$", "$$"), label, pattern)
    return result


def _indented(expression: str) -> str:
    return indent(expression, "  ")
