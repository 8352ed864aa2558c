"""Pages for tests: a full one, of which each test changes what matters to it."""

from datetime import UTC, date, datetime, timedelta

from exporter.domain.interaction import Reason
from exporter.domain.kpis import Unit
from exporter.domain.reports import Milestone
from exporter.metrics.status import Status
from exporter.ports import StoreStats
from exporter.web.page.model import Day, Funnel, KpiCard, KpiValue, Page, Step

NOW = datetime(2026, 11, 23, 14, 7, 30, tzinfo=UTC)


def some_days(values: list[float | None]) -> tuple[Day, ...]:
    """Days up to today, one for each value."""
    first = NOW.date() - timedelta(days=len(values) - 1)
    return tuple(
        Day(date=first + timedelta(days=number), value=value, parts=f"{number} of 100")
        for number, value in enumerate(values)
    )


def a_kpi() -> KpiCard:
    return KpiCard(
        name="bounce_ratio",
        title="Bounce rate",
        explanation="Shown dialogs that nobody engaged with.",
        unit=Unit.RATIO,
        readings=(
            KpiValue(range="last 24 hours", value=0.306, parts="312 of 1,020"),
            KpiValue(range="last 30 days", value=None, parts="0 of 0"),
        ),
        days=some_days([0.25, None, 0.5, 0.75]),
    )


def a_status() -> Status:
    newest = NOW - timedelta(minutes=11)
    return Status(
        last_attempt=NOW - timedelta(minutes=4),
        last_success=NOW - timedelta(minutes=4),
        source_up=True,
        store_up=True,
        interactions={"imported": 91_234, "duplicate": 17, "ignored": 3, "rejected": 2},
        missing=0,
        stats=StoreStats(
            interactions=91_234,
            ignored=3,
            dropped=0,
            rejected={Reason.NOT_JSON: 2},
            newest_ms=int(newest.timestamp() * 1000),
        ),
    )


def a_page() -> Page:
    return Page(
        version="1.2.3",
        definitions="9f2c41d07a",
        at=NOW,
        snapshot=NOW - timedelta(minutes=4),
        unready="",
        kpis=(a_kpi(),),
        funnels=(
            Funnel(
                flow="new_user",
                title="New user",
                range="last 30 days",
                steps=(
                    Step(name="1 - Enter email", count=200, share=1.0),
                    Step(name="2 - Choose password", count=150, share=0.75),
                ),
            ),
        ),
        status=a_status(),
        milestones=(Milestone(name="Gmail Bridge Live", date=date(2026, 11, 21)),),
        reports=("sites", "bounce_rate"),
        documentation="https://example.org/docs",
    )
