"""What the page at `/` shows, of the last snapshot and the exporter's state."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from math import isnan

from exporter import __version__
from exporter.domain.kpis import KPIS, Formula, Kpi, Number, Unit
from exporter.domain.layout import TOTAL_ROW
from exporter.domain.reports import REPORTS, Milestone, reports_of
from exporter.domain.tally import Counts
from exporter.metrics.collecting import CollectStatus
from exporter.metrics.snapshot import Snapshot
from exporter.metrics.status import Status
from exporter.web.page.formatting import value_words

DOCUMENTATION = "https://github.com/mozilla/kpi-exporter/tree/main/docs"


@dataclass(frozen=True, slots=True, kw_only=True)
class KpiValue:
    """A KPI over a window that ends now; `value` is None where it is undefined.

    `parts` says what the value is made of, for instance "312 of 1,020"; empty for counts. Of a
    median it says the 90th percentile and the sample size.
    """

    window: str
    value: float | None
    parts: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A KPI over one UTC day; `value` and `parts` as in a `KpiValue`."""

    date: date
    value: float | None
    parts: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KpiCard:
    """One KPI: now, in each window, and day by day, oldest first and none left out."""

    title: str
    explanation: str
    unit: Unit
    readings: tuple[KpiValue, ...]
    days: tuple[Day, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step of a flow: how many reached it, and their share of the first step."""

    name: str
    count: int
    share: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Funnel:
    """A flow's steps over a window."""

    flow: str
    window: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """All that the page shows; it touches neither source nor store.

    `at` is when it was put together, `snapshot` when its KPIs were computed; before the first
    snapshot `unready` says why there is none. `definitions` is the digest of flows and
    segmentations, `reports` names those that can be asked for, `documentation` is an address;
    `collected` is None where nothing is collected.
    """

    version: str
    definitions: str
    at: datetime
    snapshot: datetime | None
    unready: str
    kpis: tuple[KpiCard, ...]
    funnels: tuple[Funnel, ...]
    status: Status
    milestones: tuple[Milestone, ...]
    reports: tuple[str, ...]
    documentation: str
    collected: CollectStatus | None = None


def build_page(
    *,
    at: datetime,
    snapshot: Snapshot | None,
    unready: str | None,
    status: Status,
    collected: CollectStatus | None,
    milestones: Sequence[Milestone],
    digest: str,
) -> Page:
    """Return the page; touches neither source nor store."""
    return Page(
        version=__version__,
        definitions=digest,
        at=at,
        snapshot=None if snapshot is None else snapshot.taken,
        unready=unready or "",
        kpis=() if snapshot is None else tuple(_kpis(snapshot)),
        funnels=() if snapshot is None else tuple(_funnels(snapshot)),
        status=status,
        milestones=tuple(milestones),
        reports=REPORTS if snapshot is None else reports_of(snapshot.definitions),
        documentation=DOCUMENTATION,
        collected=collected,
    )


def _kpis(snapshot: Snapshot) -> Iterator[KpiCard]:
    layout = snapshot.layout
    for kpi in KPIS.values():
        if kpi.explanation and not kpi.labels:
            (formula,) = kpi.formulas(layout)
            yield _card(snapshot, kpi, kpi.title, formula, partial(_parts, kpi))
    median, p90 = KPIS["duration_median_seconds"], KPIS["duration_p90_seconds"]
    for half, most in zip(median.formulas(layout), p90.formulas(layout), strict=True):
        title = f"{median.title}: {half.labels[0]}"
        yield _card(snapshot, median, title, half, partial(_sample, half, most))


def _card(
    snapshot: Snapshot,
    kpi: Kpi,
    title: str,
    formula: Formula,
    parts: Callable[[Counts, Number], str],
) -> KpiCard:
    """Show one KPI in each window and on each day; `parts` says what a value is made of."""

    def shown(counts: Counts) -> tuple[float | None, str]:
        number = formula.of(counts)
        return (None if isnan(number.value) else number.value), parts(counts, number)

    return KpiCard(
        title=title,
        explanation=kpi.explanation,
        unit=kpi.unit,
        readings=tuple(
            KpiValue(window=window, value=value, parts=made_of)
            for window, rows in snapshot.windows.items()
            for value, made_of in (shown(rows[TOTAL_ROW]),)
        ),
        days=tuple(
            Day(date=day, value=value, parts=made_of)
            for day, counts in snapshot.days.items()
            for value, made_of in (shown(counts),)
        ),
    )


def _parts(kpi: Kpi, _: Counts, number: Number) -> str:
    if number.denominator is None:
        return ""
    if kpi.unit is Unit.SITES:
        return f"of {number.denominator:,} interactions"
    return f"{number.numerator:,} of {number.denominator:,}"


def _sample(median: Formula, p90: Formula, counts: Counts, _: Number) -> str:
    """Return the 90th percentile and how many interactions both are of."""
    of = f"of {counts.get(median.plus[0], 0):,} interactions"
    most = p90.of(counts).value
    return of if isnan(most) else f"90% within {value_words(most, Unit.SECONDS)}, {of}"


def _funnels(snapshot: Snapshot) -> Iterator[Funnel]:
    longest = max(snapshot.spans, key=lambda window: window.hours).name
    counts = snapshot.windows[longest][TOTAL_ROW]
    for flow, steps in snapshot.layout.steps.items():
        reached = {step: counts.get(slot, 0) for step, slot in steps.items()}
        first = next(iter(reached.values()))
        yield Funnel(
            flow=flow,
            window=longest,
            steps=tuple(
                Step(name=step, count=n, share=n / first if first else None)
                for step, n in reached.items()
            ),
        )
