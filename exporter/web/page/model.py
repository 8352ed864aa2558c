"""What the page at `/` shows, of the last snapshot and the exporter's state."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from math import isnan

from exporter import __version__
from exporter.domain.kpis import KPIS, Kpi, Number, Unit
from exporter.domain.layout import TOTAL_ROW, Layout
from exporter.domain.reports import REPORTS, Milestone, reports_of
from exporter.domain.tally import Counts
from exporter.metrics.collecting import CollectStatus
from exporter.metrics.snapshot import Snapshot
from exporter.metrics.status import Status

DOCUMENTATION = "https://github.com/mozilla/kpi-exporter/tree/main/docs"


@dataclass(frozen=True, slots=True, kw_only=True)
class KpiValue:
    """A KPI over a window that ends now; `value` is None where it is undefined.

    `parts` says what the value is made of, for instance "312 of 1,020"; empty for counts.
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
    """Put the page together; touches neither source nor store."""
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
        if not kpi.explanation:
            continue
        yield KpiCard(
            title=kpi.title,
            explanation=kpi.explanation,
            unit=kpi.unit,
            readings=tuple(
                KpiValue(window=window, value=_value(number), parts=_parts(kpi, number))
                for window, rows in snapshot.windows.items()
                for number in (_only(kpi, layout, rows[TOTAL_ROW]),)
            ),
            days=tuple(
                Day(date=day, value=_value(number), parts=_parts(kpi, number))
                for day, counts in snapshot.days.items()
                for number in (_only(kpi, layout, counts),)
            ),
        )


def _only(kpi: Kpi, layout: Layout, counts: Counts) -> Number:
    ((_, number),) = kpi.compute(layout, counts)
    return number


def _value(number: Number) -> float | None:
    return None if isnan(number.value) else number.value


def _parts(kpi: Kpi, number: Number) -> str:
    if number.denominator is None:
        return ""
    if kpi.unit is Unit.SITES:
        return f"of {number.denominator:,} interactions"
    return f"{number.numerator:,} of {number.denominator:,}"


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
