"""The page of a period: by segment, and against as many days before it."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from exporter.config import Configuration, load
from exporter.daemon.jobs import Jobs
from exporter.daemon.service import Service
from exporter.domain.reports import InvalidSegmentation
from exporter.ingest.importer import Progress
from exporter.ingest.reconciler import Reconciler
from exporter.stores.sqlite import SqliteStore
from exporter.web.page.model import KpiCard, Page
from fake_server import FakeKpiggybank
from tests.builders import AT, RETURNING, ms

SHOWN = ("screen.rp_info",)
DAY = timedelta(days=1)


def refuse(_: Configuration) -> None:
    pytest.fail("nothing was to be applied")


def dialog(*events: str, days_ago: int, system: str) -> dict[str, object]:
    return {
        "event_stream": [[event, number * 1000] for number, event in enumerate(events)],
        "timestamp": ms(AT - days_ago * DAY),
        "user_agent": {"os": system},
    }


@pytest.fixture
def bank() -> Iterator[FakeKpiggybank]:
    """Of the last 7 whole days: 4 dialogs, 3 bounces; of the 7 before: 2 and 1; 1 today."""
    rows = [
        dialog(*RETURNING, days_ago=0, system="Linux"),
        *(dialog(*SHOWN, days_ago=days, system="iOS") for days in (1, 2, 7)),
        dialog(*RETURNING, days_ago=3, system="Linux"),
        dialog(*SHOWN, days_ago=8, system="iOS"),
        dialog(*RETURNING, days_ago=14, system="Linux"),
        dialog(*RETURNING, days_ago=15, system="Linux"),
    ]
    with FakeKpiggybank() as bank:
        bank.add(rows)
        yield bank


@pytest.fixture
def jobs(bank: FakeKpiggybank, tmp_path: Path) -> Iterator[Jobs]:
    with closing(SqliteStore(tmp_path / "kpi.db")) as store:
        jobs = Jobs(load(f"data_server: {{url: '{bank.url}'}}", {}), store, now=lambda: AT)
        jobs.import_now()
        yield jobs


@pytest.fixture
def service(jobs: Jobs) -> Service:
    return Service(jobs, config_file=None, now=lambda: AT, apply=refuse)


def card(page: Page, name: str) -> KpiCard:
    return next(kpi for kpi in page.kpis if kpi.name == name)


def test_a_period_is_whole_days_and_compared_with_as_many_before(service: Service) -> None:
    bounce = card(service.page(days=7), "bounce_ratio")

    assert [(r.range, r.value, r.parts, r.change) for r in bounce.readings] == [
        ("last 7 whole days", 0.75, "3 of 4", "+25.0 points"),
        ("7 days before", 0.5, "1 of 2", ""),
    ]
    assert len(bounce.days) == 8  # and today, which is still going on
    assert bounce.days[-1].parts == "0 of 1"


def test_days_before_the_data_begin_are_compared_with_nothing(service: Service) -> None:
    bounce = card(service.page(days=30), "bounce_ratio")

    assert [(r.range, r.parts, r.change) for r in bounce.readings] == [
        ("last 30 whole days", "4 of 7", ""),
        ("30 days before, data from 16 Jun 2013", "0 of 0", ""),
    ]
    assert "points" not in service.page(days=30).headline[0].detail


def test_a_segmentation_shows_every_segment_with_its_sample(service: Service) -> None:
    page = service.page(days=7, segmentation="OS")

    segments = {s.segment: s for s in card(page, "bounce_ratio").segments}
    assert len(segments) == 10
    assert (segments["iOS"].parts, segments["iOS"].value, segments["iOS"].before) == (
        "3 of 3",
        1.0,
        1.0,
    )
    assert (segments["Linux"].parts, segments["Linux"].change) == (
        "0 of 1",
        "\N{PLUS-MINUS SIGN}0.0 points",
    )
    assert (segments["Android"].parts, segments["Android"].value) == ("0 of 0", None)


def test_a_segmentation_alone_is_of_the_usual_period(service: Service) -> None:
    page = service.page(segmentation="OS")

    assert [choice.days for choice in page.periods if choice.chosen] == [30]
    assert page.segmentation == "OS"


def test_the_headline_says_who_signed_in_where_most_are_lost_and_how_long_it_takes(
    service: Service,
) -> None:
    signed_in, lost, time = service.page(days=7).headline

    assert (signed_in.value, signed_in.detail) == (
        "25.0%",
        "1 of 4 dialogs shown, -25.0 points",
    )
    assert (
        lost.value
        == "before \N{LEFT DOUBLE QUOTATION MARK}User engaged\N{RIGHT DOUBLE QUOTATION MARK}"
    )
    assert lost.detail.startswith("75.0%: 3 of 4 that reached")
    assert (time.label, time.detail[:17]) == ("Sign in, median time", "of 1 interactions")


def test_a_funnel_has_shares_of_the_first_and_of_the_previous_step(service: Service) -> None:
    funnel = next(f for f in service.page(days=7).funnels if f.flow == "general_progress")

    steps = {step.name: step for step in funnel.steps}
    assert funnel.completed == 0.25
    assert (steps["Dialog opened"].share, steps["Dialog opened"].of_previous) == (1.0, None)
    assert (steps["User engaged"].share, steps["User engaged"].of_previous) == (0.25, 0.25)
    assert (steps["Error screen"].aside, steps["Error screen"].of_previous) == (True, None)
    assert steps["Signed in"].of_previous == 1.0  # of those who engaged, not of the error screen


@pytest.mark.parametrize(("days", "segmentation"), [(None, None), (90, None), (7, "OS")])
def test_no_page_reads_the_store(
    service: Service, monkeypatch: pytest.MonkeyPatch, days: int | None, segmentation: str | None
) -> None:
    for name in ("total", "by_day", "by_hour", "interactions", "stats", "note"):
        monkeypatch.setattr(SqliteStore, name, lambda *_: pytest.fail("the store was read"))

    assert service.page(days=days, segmentation=segmentation).kpis


def test_a_period_is_of_what_the_next_import_brings(bank: FakeKpiggybank, jobs: Jobs) -> None:
    service = Service(jobs, config_file=None, now=lambda: AT, apply=refuse)
    bank.add([dialog(*SHOWN, days_ago=1, system="iOS")])

    jobs.import_now()

    assert card(service.page(days=7), "bounce_ratio").readings[0].parts == "4 of 5"


def test_what_the_store_holds_already_is_shown_before_the_first_import_ends(
    jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []

    def look(*_: object, **__: object) -> Iterator[Progress]:
        service = Service(again, config_file=None, now=lambda: AT, apply=refuse)
        shown.append(card(service.page(days=7), "bounce_ratio").readings[0].parts)
        return iter(())

    monkeypatch.setattr(Reconciler, "import_all", look)
    with closing(SqliteStore(tmp_path / "kpi.db")) as store:
        again = Jobs(jobs.configuration, store, now=lambda: AT)
        again.import_now()

    assert shown == ["3 of 4"]


def test_an_unknown_segmentation_is_refused(service: Service) -> None:
    with pytest.raises(InvalidSegmentation):
        service.page(segmentation="Moon")
