"""What the page at `/` shows, put together from the last snapshot and the exporter's state."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from math import isnan

from exporter import __version__
from exporter.domain.kpis import KPIS, Kpi, Number, Unit
from exporter.domain.layout import TOTAL_ROW, Layout
from exporter.domain.reports import REPORTS, Milestone, reports_of
from exporter.domain.tally import Counts
from exporter.metrics.snapshot import Snapshot
from exporter.metrics.status import Status
from exporter.web.page import model as page

DOCUMENTATION = "https://github.com/mozilla/kpi-exporter/tree/main/docs"
_UNITS = {
    Unit.RATIO: page.Unit.RATIO,
    Unit.SITES: page.Unit.NUMBER,
    Unit.INTERACTIONS: page.Unit.COUNT,
    Unit.USERS: page.Unit.COUNT,
}


def front_page(
    *,
    at: datetime,
    snapshot: Snapshot | None,
    unready: str | None,
    status: Status,
    milestones: Sequence[Milestone],
    digest: str,
) -> page.Page:
    """Put the page together; touches neither source nor store."""
    return page.Page(
        version=__version__,
        definitions=digest,
        at=at,
        snapshot=None if snapshot is None else snapshot.taken,
        unready=unready or "",
        kpis=() if snapshot is None else tuple(_kpis(snapshot)),
        funnels=() if snapshot is None else tuple(_funnels(snapshot)),
        imports=_import_state(status),
        milestones=tuple(milestones),
        reports=REPORTS if snapshot is None else reports_of(snapshot.definitions),
        documentation=DOCUMENTATION,
    )


def _kpis(snapshot: Snapshot) -> Iterator[page.Kpi]:
    layout = snapshot.layout
    for kpi in KPIS.values():
        if not kpi.explanation:
            continue
        yield page.Kpi(
            title=kpi.title,
            explanation=kpi.explanation,
            unit=_UNITS[kpi.unit],
            readings=tuple(
                page.KpiValue(window=window, value=_value(number), parts=_parts(kpi, number))
                for window, rows in snapshot.windows.items()
                for number in (_only(kpi, layout, rows[TOTAL_ROW]),)
            ),
            days=tuple(
                page.Day(date=day, value=_value(number), parts=_parts(kpi, number))
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


def _funnels(snapshot: Snapshot) -> Iterator[page.Funnel]:
    longest = max(snapshot.spans, key=lambda window: window.hours).name
    counts = snapshot.windows[longest][TOTAL_ROW]
    for flow, steps in snapshot.layout.steps.items():
        reached = {step: counts.get(slot, 0) for step, slot in steps.items()}
        first = next(iter(reached.values()))
        yield page.Funnel(
            flow=flow,
            window=longest,
            steps=tuple(
                page.Step(name=step, count=n, share=n / first if first else None)
                for step, n in reached.items()
            ),
        )


def _import_state(state: Status) -> page.ImportState:
    newest_ms = None if state.stats is None else state.stats.newest_ms
    return page.ImportState(
        running=state.running,
        last_attempt=state.last_attempt,
        last_success=state.last_success,
        last_error=state.last_error,
        source_up=state.source_up,
        store_up=state.store_up,
        newest_interaction=(
            None if newest_ms is None else datetime.fromtimestamp(newest_ms / 1000, tz=UTC)
        ),
        interactions=tuple(state.interactions.items()),
        missing=None if isnan(state.missing) else int(state.missing),
        rejected=sum(state.rejected.values()),
    )
