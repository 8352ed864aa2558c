"""The page for people, as it comes over HTTP and as a browser shows it."""

import base64
import hashlib
import re
import subprocess
from dataclasses import replace
from datetime import timedelta
from html import escape
from html.parser import HTMLParser
from math import nan
from pathlib import Path
from urllib.parse import unquote

import pytest
import requests

from exporter.domain.kpis import Unit
from exporter.domain.reports import Milestone
from exporter.web.page.charts import chart
from exporter.web.page.model import Day, Funnel, KpiCard, Page, SegmentValue, Step
from exporter.web.server import WebServer
from testing.waiting import WAIT_SECONDS
from tests.web.conftest import FakeApplication, Serve
from tests.web.pages import NOW, a_kpi, a_page, a_status, some_days

HOSTILE = "<script>alert('1')</script>\"&amp;"


class Shown(HTMLParser):
    """What a page holds: its tags with attributes, and its text outside of `style` and `script`."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._texts: list[str] = []
        self._in_style = False
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._in_style = tag in {"style", "script"}

    def handle_endtag(self, tag: str) -> None:
        self._in_style = self._in_style and tag not in {"style", "script"}

    def handle_data(self, data: str) -> None:
        if not self._in_style:
            self._texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self._texts).split())

    def having(self, tag: str, **attributes: str) -> list[dict[str, str | None]]:
        return [
            found
            for name, found in self.tags
            if name == tag and all(found.get(key) == value for key, value in attributes.items())
        ]


@pytest.fixture
def server(serve: Serve) -> WebServer:
    return serve()


@pytest.fixture
def look(server: WebServer, application: FakeApplication) -> "Look":
    return Look(server, application)


class Look:
    """Has the server show a page."""

    def __init__(self, server: WebServer, application: FakeApplication) -> None:
        self._server, self._board = server, application

    def at(self, page: Page) -> Shown:
        self._board.shown = page
        return Shown(requests.get(self._server.url, timeout=WAIT_SECONDS).text)

    def at_kpi(self, kpi: KpiCard) -> Shown:
        return self.at(replace(a_page(), kpis=(kpi,), funnels=()))


def test_a_value_comes_with_its_parts(look: Look) -> None:
    text = look.at(a_page()).text
    assert "last 24 hours 30.6% 312 of 1,020" in text
    assert "last 30 days \N{EN DASH} 0 of 0" in text


def test_the_snapshot_has_a_time_and_an_age(look: Look) -> None:
    assert "As of 23 Nov 2026, 14:03 UTC (4 minutes ago)" in look.at(a_page()).text


def test_before_a_snapshot_it_says_why_there_is_nothing(look: Look) -> None:
    reason = "the first import is still running"
    page = replace(a_page(), snapshot=None, unready=reason, kpis=(), funnels=())
    text = look.at(page).text
    assert f"Nothing to show yet. {reason}" in text
    assert "As of" not in text


def test_a_first_import_shows_how_far_it_is(look: Look) -> None:
    running = replace(a_status(), running=True, progress=0.34, interactions={"imported": 12_345})
    page = replace(a_page(), snapshot=None, unready="no KPIs yet", kpis=(), status=running)
    seen = look.at(page)
    assert "The import is 34.0% done: 12,345 interactions so far." in seen.text
    assert len(seen.having("progress", value="0.34")) == 1


def test_a_source_that_gave_nothing_is_told_at_the_top(look: Look) -> None:
    text = look.at(replace(a_page(), empty="The source gave 0 rows for the last 30 days.")).text
    assert text.index("The source gave 0 rows for the last 30 days.") < text.index("KPIs Each over")


def test_a_failed_import_is_told_at_the_top(look: Look) -> None:
    failed = replace(a_status(), last_error="source: 502 Bad Gateway", source_up=False)
    text = look.at(replace(a_page(), status=failed)).text
    assert "The last import failed" in text
    assert text.index("source: 502 Bad Gateway") < text.index("KPIs Each over")
    assert "Source down" in text


def test_the_imports_state_is_told(look: Look) -> None:
    text = look.at(a_page()).text
    for told in ("imported 91,234", "duplicate 17", "missing 0 ", "quarantined 2 ", "Store up"):
        assert told in text


def test_interactions_that_wait_to_be_fetched_are_told_without_alarm(look: Look) -> None:
    seen = look.at(replace(a_page(), status=replace(a_status(), missing=1_234)))
    assert "missing 1,234 " in seen.text
    assert seen.having("span", **{"class": "bad"}) == []


def test_what_is_not_known_is_not_made_up(look: Look) -> None:
    unknown = replace(
        a_status(),
        last_attempt=None,
        last_success=None,
        stats=None,
        source_up=None,
        store_up=None,
        missing=nan,
    )
    text = look.at(replace(a_page(), status=unknown)).text
    assert "Source not used yet" in text
    assert "Last success none yet" in text
    assert "missing unknown" in text


def test_flows_show_counts_and_shares(look: Look) -> None:
    text = look.at(a_page()).text
    assert "2 - Choose password 150 75.0%" in text


def test_no_bar_of_a_flow_is_longer_than_its_track(look: Look) -> None:
    steps = (Step(name="a", count=50, share=1.0), Step(name="b", count=100, share=2.0))
    page = replace(a_page(), funnels=(Funnel(flow="f", title="F", range="last hour", steps=steps),))
    bars = [path["d"] for path in look.at(page).having("path") if "h" in (path["d"] or "")]
    assert bars == ["M0 0h50v1H0z", "M0 0h100v1H0z"]


def test_everything_is_escaped(look: Look) -> None:
    kpi = replace(
        a_kpi(),
        title=HOSTILE,
        explanation=HOSTILE,
        readings=(replace(a_kpi().readings[0], parts=HOSTILE, range=HOSTILE),),
        days=(replace(a_kpi().days[-1], parts=HOSTILE),),
    )
    seen = look.at(
        Page(
            version=HOSTILE,
            definitions=HOSTILE,
            at=NOW,
            snapshot=NOW,
            unready=HOSTILE,
            kpis=(kpi,),
            funnels=(
                Funnel(
                    flow=HOSTILE,
                    title=HOSTILE,
                    range=HOSTILE,
                    steps=(Step(name=HOSTILE, count=1, share=1.0),),
                ),
            ),
            status=replace(a_status(), last_error=HOSTILE, interactions={HOSTILE: 1}),
            milestones=(Milestone(name=HOSTILE, date=NOW.date()),),
            reports=(HOSTILE,),
            documentation="https://example.org/" + HOSTILE,
        )
    )
    assert len(seen.having("script")) == 1  # its own
    assert seen.text.count(HOSTILE) >= 15
    assert all(attributes.get("onclick") is None for _, attributes in seen.tags)


def test_nothing_comes_from_outside(look: Look) -> None:
    seen = look.at(a_page())
    assert {tag for tag, _ in seen.tags}.isdisjoint({"img", "iframe", "object"})
    assert [found["href"] for found in seen.having("link")] == ["/favicon.svg"]
    assert all("src" not in attributes for _, attributes in seen.tags)
    outside = [
        tag for tag, found in seen.tags if re.match(r"(https?:)?//", found.get("href") or "")
    ]
    assert outside == ["a"]


def test_links_lead_to_what_there_is(look: Look) -> None:
    hrefs = {found["href"] for found in look.at(a_page()).having("a") if "download" not in found}
    assert hrefs == {
        "/metrics",
        "/-/healthy",
        "/-/ready",
        "/data/sites",
        "/data/bounce_rate",
        "https://example.org/docs",
    }


def test_its_policy_allows_its_own_style_and_script_only(server: WebServer) -> None:
    answer = requests.get(server.url, timeout=WAIT_SECONDS)
    digests = []
    for tag in ("style", "script"):
        (text,) = re.findall(f"<{tag}>(.*)</{tag}>", answer.text, re.DOTALL)
        digests.append(base64.b64encode(hashlib.sha256(text.encode()).digest()).decode())
    assert answer.headers["Content-Security-Policy"] == (
        f"default-src 'none'; style-src 'sha256-{digests[0]}'; "
        f"script-src 'sha256-{digests[1]}'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert " style=" not in answer.text


def columns(seen: Shown, css: str) -> int:
    """Count the columns that are drawn in one path."""
    return sum((path["d"] or "").count("M") for path in seen.having("path", **{"class": css}))


def test_a_day_costs_few_bytes(server: WebServer, application: FakeApplication) -> None:
    sizes = []
    for days in (30, 90):
        kpi = replace(a_kpi(), days=some_days([0.1234] * days))
        application.shown = replace(a_page(), kpis=(kpi,))
        sizes.append(len(requests.get(server.url, timeout=WAIT_SECONDS).content))
    assert sizes[1] - sizes[0] < 60 * 260  # its words in the chart and in the table, and its CSV


def test_tables_are_there_as_csv(look: Look) -> None:
    kpi = replace(
        a_kpi(),
        columns=("numerator", "denominator"),
        days=(Day(date=NOW.date(), value=1 / 3, parts="1 of 3", figures=(1, 3)),),
    )
    (link,) = look.at_kpi(kpi).having("a", download="bounce_ratio.csv")
    assert unquote((link["href"] or "").partition(",")[2]) == (
        "day,value,numerator,denominator\n2026-11-23,0.333333,1,3\n"
    )


class TestCharts:
    def test_speak_to_those_who_do_not_see_them(self, look: Look) -> None:
        seen = look.at_kpi(replace(a_kpi(), days=some_days([0.25, None, 0.5, 0.75])))
        (chart,) = seen.having("svg", role="group")
        for name in (chart["aria-labelledby"], chart["aria-describedby"]):
            assert any(found.get("id") == name for _, found in seen.tags)
        assert (
            "4 days, 20 Nov 2026 to 23 Nov 2026: lowest 25.0% on 20 Nov 2026, highest 75.0% on"
            " 23 Nov 2026, latest 75.0% on 23 Nov 2026; 1 without a value." in seen.text
        )

    def test_leave_days_without_a_value_open(self, look: Look) -> None:
        days = some_days([0.1, 0.2, None, 0.3, None, 0.4, 0.5, 0.6])
        seen = look.at_kpi(replace(a_kpi(), days=days))
        assert len(seen.having("path", **{"class": "line"})) == 2
        assert len(seen.having("circle", **{"class": "dot"})) == 1

    def test_draw_the_day_that_is_not_over_apart(self, look: Look) -> None:
        line = look.at_kpi(replace(a_kpi(), days=some_days([0.1, 0.2, 0.3])))
        assert len(line.having("path", **{"class": "line so-far"})) == 1
        bars = look.at_kpi(
            replace(a_kpi(), unit=Unit.INTERACTIONS, days=some_days([1.0, 2.0, 3.0]))
        )
        assert columns(bars, "bar") == 2
        assert columns(bars, "so-far") == 1
        assert "23 Nov 2026: 3 (2 of 100), so far" in bars.text

    def test_tell_counts_without_parts(self, look: Look) -> None:
        day = replace(a_kpi().days[-1], value=3.0, parts="")
        seen = look.at_kpi(replace(a_kpi(), unit=Unit.INTERACTIONS, days=(day,)))
        assert "23 Nov 2026: 3, so far" in seen.text

    def test_mark_milestones_on_their_day(self, look: Look) -> None:
        yesterday = NOW.date() - timedelta(days=1)
        page = replace(a_page(), milestones=(Milestone(name="Bridge", date=yesterday),))
        seen = look.at(page)
        assert len(seen.having("path", **{"class": "milestone"})) == 1
        assert "22 Nov 2026: 50.0% (2 of 100) \N{MIDDLE DOT} Bridge" in seen.text
        assert " Bridge " in seen.text.split("22 Nov 2026")[0]  # a label on the chart itself

    def test_write_milestones_that_are_close_without_overlap(self) -> None:
        marks = tuple(
            Milestone(name=name, date=NOW.date() - timedelta(days=days))
            for name, days in (("A bridge that everybody is waiting for", 3), ("Late one", 1))
        )
        drawing = chart(
            replace(a_kpi(), days=some_days([0.5] * 30)), milestones=marks, today=NOW.date()
        )
        (bridge,) = (
            drawing.labels
        )  # there is no room for the other, which stands in its day's words
        assert (bridge.text, bridge.leftwards) == ("A bridge that everybody is waiting for", True)

    def test_say_so_where_there_is_nothing_to_draw(self, look: Look) -> None:
        seen = look.at_kpi(replace(a_kpi(), days=some_days([None, None])))
        assert seen.having("svg", role="group") == []
        assert "No value on any of these days." in seen.text

    def test_are_left_out_without_days(self, look: Look) -> None:
        seen = look.at_kpi(replace(a_kpi(), days=()))
        assert seen.having("svg", role="group") == []
        assert "Day by day" not in seen.text

    def test_stand_on_zero_where_all_is_zero(self, look: Look) -> None:
        seen = look.at_kpi(replace(a_kpi(), unit=Unit.INTERACTIONS, days=some_days([0.0, 0.0])))
        (bar,) = seen.having("path", **{"class": "bar"})
        assert re.search(r" 94h\d+V94h", bar["d"] or "")  # from the line to the line

    def test_do_without_a_value_for_today(self, look: Look) -> None:
        seen = look.at_kpi(replace(a_kpi(), days=some_days([0.1, 0.2, None])))
        assert seen.having("path", **{"class": "line so-far"}) == []

    def test_stand_on_zero_with_values_below_it(self, look: Look) -> None:
        seen = look.at_kpi(replace(a_kpi(), days=some_days([-0.2, 0.4, 0.1])))
        assert "-20%" in seen.text
        assert "40%" in seen.text


def test_a_browser_shows_it_with_its_style(
    server: WebServer, chromium: Path, tmp_path: Path
) -> None:
    shown = browse(chromium, server.url, tmp_path)

    assert "312 of 1,020" in shown.stdout
    assert "Content Security Policy" not in shown.stderr


def test_nothing_is_wider_than_its_place(
    server: WebServer, application: FakeApplication, chromium: Path, tmp_path: Path
) -> None:
    address = "http://kpiggybank.example.com/wsapi/interaction_data"
    long = "Donaudampfschifffahrtsgesellschaft" * 2
    kpi = replace(
        a_kpi(),
        title=long,
        days=(replace(a_kpi().days[0], parts="90% within 1,234.5 s, of 12,345,678 interactions"),),
        segments=(
            SegmentValue(segment=long, value=1.0, parts="1 of 1", before=0.5, change="", share=1.0),
        ),
    )
    application.shown = replace(
        a_page(),
        kpis=(kpi,),
        segmentation=long,
        status=replace(a_status(), last_error=address),
    )
    page = escape(requests.get(server.url, timeout=WAIT_SECONDS).text)
    frames = [f'<iframe width="{width}" srcdoc="{page}"></iframe>' for width in (320, 390, 760)]
    file = tmp_path / "frames.html"
    file.write_text("".join([*frames, MEASURE]), encoding="utf-8")

    shown = browse(chromium, file.as_uri(), tmp_path)

    assert "<title>320 390 760</title>" in shown.stdout


# As a title: how wide the page is shown, each time with what does not fit.
MEASURE = """<script>
onload = () => {
  document.title = [...document.querySelectorAll("iframe")].map(frame => {
    frame.contentDocument.querySelectorAll("details").forEach(part => part.open = true);
    const tooWide = [...frame.contentDocument.querySelectorAll("html, .card")]
      .filter(part => part.scrollWidth > part.clientWidth)
      .map(part => part.innerText.slice(0, 20));
    return [frame.width, ...tooWide].join(": ");
  }).join(" ");
};
</script>"""


def browse(chromium: Path, url: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            chromium,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--enable-logging=stderr",
            f"--user-data-dir={folder}",
            "--virtual-time-budget=2000",
            "--dump-dom",
            url,
        ],
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        check=True,
    )
