"""Puts the page together, of the last snapshot or a period and the exporter's state."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from exporter import __version__
from exporter.domain.reports import REPORTS, Milestone, reports_of
from exporter.domain.titles import Titles
from exporter.metrics.collecting import CollectStatus
from exporter.metrics.periods import DEFAULT_PERIOD_DAYS, PERIODS_DAYS, Period
from exporter.metrics.snapshot import Snapshot
from exporter.metrics.status import Status
from exporter.web.page.cards import kpi_cards
from exporter.web.page.counted import Counted, counted_of
from exporter.web.page.funnels import funnels
from exporter.web.page.headline import headline
from exporter.web.page.model import Choice, Page

DOCUMENTATION = "https://github.com/mozilla/kpi-exporter/tree/main/docs"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What the exporter knows of its own work, and what it was configured with.

    `unready` says why there are no KPIs yet; `digest` is that of the definitions; `history` is how
    far the first import reaches back.
    """

    unready: str | None
    status: Status
    collected: CollectStatus | None
    milestones: Sequence[Milestone]
    digest: str
    titles: Titles
    history: timedelta


def build_page(
    *, at: datetime, snapshot: Snapshot | None, state: State, period: Period | None = None
) -> Page:
    """Return the page; touches neither source nor store.

    With a `period`, the page shows that instead of the snapshot's windows.
    """
    counted = None if snapshot is None else counted_of(snapshot, period)
    titles = state.titles
    return Page(
        version=__version__,
        definitions=state.digest,
        at=at,
        snapshot=None if snapshot is None else snapshot.taken,
        unready=state.unready or "",
        empty=_empty(state),
        kpis=() if counted is None else tuple(kpi_cards(counted, titles)),
        funnels=() if counted is None else tuple(funnels(counted, titles)),
        status=state.status,
        milestones=tuple(state.milestones),
        reports=REPORTS if snapshot is None else reports_of(snapshot.definitions),
        documentation=DOCUMENTATION,
        collected=state.collected,
        headline=() if counted is None else tuple(headline(counted, titles)),
        headline_range="" if counted is None else counted.main,
        periods=() if counted is None else tuple(_periods(period)),
        segmentations=() if counted is None else tuple(_segmentations(counted, titles, period)),
        segmentation=titles.segmentation(period.segmentation)
        if period is not None and period.segmentation
        else "",
    )


def _periods(period: Period | None) -> Iterator[Choice]:
    segmentation = period.segmentation if period else None
    if segmentation is None:
        yield Choice(title="now", days=None, segmentation=None, chosen=period is None)
    for days in PERIODS_DAYS:
        chosen = period is not None and period.length == days
        yield Choice(title=f"{days} days", days=days, segmentation=segmentation, chosen=chosen)


def _segmentations(counted: Counted, titles: Titles, period: Period | None) -> Iterator[Choice]:
    shown, days = (period.segmentation, period.length) if period else (None, None)
    yield Choice(title="all together", days=days, segmentation=None, chosen=shown is None)
    for one in counted.definitions.segmentations:
        yield Choice(
            title=titles.segmentation(one.name),
            days=days or DEFAULT_PERIOD_DAYS,
            segmentation=one.name,
            chosen=shown == one.name,
        )


def _empty(state: State) -> str:
    """Return that the source returned no rows, if so; not where the store holds any."""
    status, stats = state.status, state.status.stats
    if not status.importing or status.last_success is None or stats is None:
        return ""
    if stats.interactions or stats.ignored or stats.dropped or sum(stats.rejected.values()):
        return ""
    return f"The source gave 0 rows for the last {state.history / timedelta(days=1):g} days."
