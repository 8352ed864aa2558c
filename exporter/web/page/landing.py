"""What the page at `/` shows, put together from the last snapshot and the exporter's state."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from math import isnan

from exporter import __version__
from exporter.domain.kpis import KPIS, Kpi, KpiInput, Number, Unit
from exporter.domain.layout import TOTAL_ROW
from exporter.domain.reports import REPORTS, Milestone, reports_of
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
# Those with one value; flows are shown as funnels.
_SHOWN: tuple[tuple[str, str], ...] = (
    ("sign_in_attempts", "Interactions whose event stream is not empty."),
    ("bounce_ratio", "Shown dialogs in which the user did not engage."),
    ("abandonment_ratio", "Shown dialogs left without engaging and without being signed in."),
    ("bounces_signed_in", "Bounces that were signed in all the same."),
    ("new_users", "Dialogs that ended with a new user."),
    ("new_user_success_ratio", "New users among dialogs that were not a returning user's."),
    ("new_user_bounce_ratio", "Bounces among dialogs that were not a returning user's."),
    ("sites_signed_in_mean", "Sites that a user is signed in to, on average."),
    ("sites_signed_in_median", "Sites that half of the users are signed in to, or fewer."),
)


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
    for name, explanation in _SHOWN:
        kpi = KPIS[name]
        yield page.Kpi(
            title=kpi.title,
            explanation=explanation,
            unit=_UNITS[kpi.unit],
            readings=tuple(
                page.KpiValue(window=window, value=_value(number), parts=_parts(kpi, number))
                for window, rows in snapshot.windows.items()
                for number in (_only(kpi, rows[TOTAL_ROW]),)
            ),
            days=tuple(
                page.Day(date=day, value=_value(number), parts=_parts(kpi, number))
                for day, counted in snapshot.days.items()
                for number in (_only(kpi, counted),)
            ),
        )


def _only(kpi: Kpi, counted: KpiInput) -> Number:
    ((_, number),) = kpi.compute(counted)
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
    counted = snapshot.windows[longest][TOTAL_ROW]
    for flow in snapshot.definitions.flows:
        first = counted.step(flow.name, flow.steps[0].name)
        yield page.Funnel(
            flow=flow.name,
            window=longest,
            steps=tuple(
                page.Step(name=step.name, count=n, share=n / first if first else None)
                for step in flow.steps
                for n in (counted.step(flow.name, step.name),)
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
