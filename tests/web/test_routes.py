"""What each path answers, over real sockets."""

import gzip
import json
import math

import pytest
import requests
from structlog.typing import EventDict

from exporter.ports import StoreError
from exporter.web.server import Limits, WebServer
from testing.waiting import WAIT_SECONDS, eventually
from tests.web.conftest import FakeApplication, Serve
from tests.web.test_connections import in_background


@pytest.fixture
def server(serve: Serve) -> WebServer:
    return serve()


def ask(server: WebServer, path: str, method: str = "GET", **headers: str) -> requests.Response:
    return requests.request(
        method, server.url + path.lstrip("/"), headers=headers, timeout=WAIT_SECONDS
    )


def test_metrics_are_the_boards_bytes(server: WebServer, application: FakeApplication) -> None:
    answer = ask(server, "/metrics", Accept="application/openmetrics-text")
    assert answer.status_code == 200
    assert answer.content == application.text
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["Vary"] == "Accept, Accept-Encoding"
    assert application.asked == [("metrics", "application/openmetrics-text", True, [])]


def test_names_are_passed_on(server: WebServer, application: FakeApplication) -> None:
    ask(server, "/metrics?name[]=kpi_dialogs&name%5B%5D=kpi_new_users&name=no")
    assert application.asked[0][3] == ["kpi_dialogs", "kpi_new_users"]


@pytest.mark.parametrize(
    ("accepted", "compressed"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("deflate, gzip;q=0.5", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip; q=0.0, *", False),
        ("*;q=0", False),
        ("identity", False),
        ("x-gzipped", False),
        ("gzip;q=much", False),
        ("", False),
    ],
)
def test_gzip_is_sent_to_those_who_take_it(
    server: WebServer, application: FakeApplication, accepted: str, *, compressed: bool
) -> None:
    url = server.url + "metrics"
    with requests.get(
        url, headers={"Accept-Encoding": accepted}, stream=True, timeout=WAIT_SECONDS
    ) as answer:
        sent = answer.raw.read(decode_content=False)
    assert answer.headers.get("Content-Encoding") == ("gzip" if compressed else None)
    assert (gzip.decompress(sent) if compressed else sent) == application.text


def test_health_says_so(server: WebServer) -> None:
    assert ask(server, "/-/healthy").status_code == 200


def test_ready_tells_the_reason_until_it_is(
    server: WebServer, application: FakeApplication
) -> None:
    application.reason = "the first import is still running"
    answer = ask(server, "/-/ready")
    assert answer.status_code == 503
    assert answer.text == "Not ready: the first import is still running"
    application.reason = None
    assert ask(server, "/-/ready").status_code == 200


@pytest.mark.parametrize("path", ["/", "/metrics", "/-/healthy", "/-/ready", "/data/sites"])
def test_head_has_the_headers_and_no_body(server: WebServer, path: str) -> None:
    full, head = ask(server, path), ask(server, path, "HEAD")
    assert head.status_code == 200
    assert head.content == b""
    for header in ("Content-Type", "Content-Length"):
        assert head.headers[header] == full.headers[header]


@pytest.mark.parametrize("path", ["/nothing", "/data", "/data/", "/data/a/b", "/-/", "//metrics"])
def test_other_paths_are_not_found(server: WebServer, path: str) -> None:
    answer = requests.get(server.url.rstrip("/") + path, timeout=WAIT_SECONDS)
    assert (answer.status_code, answer.text) == (404, "Not found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/", "GET, HEAD"),
        ("DELETE", "/metrics", "GET, HEAD"),
        ("OPTIONS", "/data/sites", "GET, HEAD"),
        ("PUT", "/-/healthy", "GET, HEAD"),
        ("BREW", "/-/ready", "GET, HEAD"),
        ("GET", "/-/reload", "POST"),
    ],
)
def test_wrong_methods_are_told_the_right_ones(
    server: WebServer, method: str, path: str, allowed: str
) -> None:
    answer = ask(server, path, method)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == allowed
    assert answer.text == f"Only {allowed.replace(', ', ' or ')} requests allowed"


class TestReports:
    def test_a_report_is_json(self, server: WebServer, application: FakeApplication) -> None:
        application.answers["sites"] = {"Fünf": [{"category": "2013-02-21", "value": None}]}
        answer = ask(server, "/data/sites")
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.json() == application.answers["sites"]

    def test_parameters_are_passed_on(
        self, server: WebServer, application: FakeApplication
    ) -> None:
        ask(server, "/data/sites?start=1361404800&end=1361491199.5&segmentation=Screen%20size")
        assert application.asked == [("sites", 1361404800.0, 1361491199.5, "Screen size")]

    def test_empty_parameters_were_not_given(
        self, server: WebServer, application: FakeApplication
    ) -> None:
        ask(server, "/data/sites?start=&end=&segmentation=")
        assert application.asked == [("sites", None, None, None)]

    @pytest.mark.parametrize(
        "number",
        ["nan", "inf", "-inf", "1e400", "-1", "99999999999999", "253402300800", "1_000", "x", "٣"],
    )
    @pytest.mark.parametrize("parameter", ["start", "end"])
    def test_numbers_that_are_no_time_are_refused(
        self, server: WebServer, application: FakeApplication, parameter: str, number: str
    ) -> None:
        answer = ask(server, f"/data/sites?{parameter}={number}")
        assert answer.status_code == 400
        assert answer.text == f"{parameter}: must be Unix seconds from 0 to 253402300799"
        assert application.asked == []

    def test_a_range_that_ends_on_an_earlier_day_is_refused(self, server: WebServer) -> None:
        answer = ask(server, "/data/sites?start=86400&end=86399")
        assert (answer.status_code, answer.text) == (400, "end: is before start")

    def test_a_range_within_a_day_is_that_day(self, server: WebServer) -> None:
        assert ask(server, "/data/sites?start=90000&end=86400").status_code == 200

    def test_an_unknown_segmentation_is_refused(self, server: WebServer) -> None:
        answer = ask(server, "/data/sites?segmentation=Nothing")
        assert (answer.status_code, answer.text) == (400, "Invalid segmentation")

    def test_an_unknown_report_is_not_found(self, server: WebServer) -> None:
        answer = ask(server, "/data/hosts")
        assert (answer.status_code, answer.text) == (404, "Unknown report")

    def test_a_store_that_cannot_be_read_is_said_in_one_line_here_and_in_the_log(
        self, server: WebServer, application: FakeApplication, logs: list[EventDict]
    ) -> None:
        application.broken = StoreError("kpi.db is away")
        answer = ask(server, "/data/sites")
        assert (answer.status_code, answer.text) == (503, "The store cannot be read.")
        assert answer.headers["Retry-After"]
        assert [entry for entry in logs if entry["log_level"] == "error"] == [
            {
                "event": "report not read",
                "log_level": "error",
                "path": "/data/sites",
                "error": "kpi.db is away",
            }
        ]

    def test_bytes_that_are_no_text_are_refused(self, server: WebServer) -> None:
        assert ask(server, "/data/sites?segmentation=%ff").status_code == 400

    def test_nan_never_gets_into_json(
        self, server: WebServer, application: FakeApplication
    ) -> None:
        application.answers["sites"] = {"Total": [{"category": "2013-02-21", "value": math.nan}]}
        answer = ask(server, "/data/sites")
        assert answer.status_code == 500
        with pytest.raises(json.JSONDecodeError):
            answer.json()


class TestReload:
    def test_is_forbidden_unless_enabled(
        self, server: WebServer, application: FakeApplication
    ) -> None:
        answer = ask(server, "/-/reload", "POST")
        assert (answer.status_code, answer.text) == (403, "Lifecycle API is not enabled.")
        assert application.asked == []

    def test_applies_the_configuration(self, serve: Serve, application: FakeApplication) -> None:
        assert ask(serve(lifecycle=True), "/-/reload", "POST").status_code == 200
        assert application.asked == [("reload",)]

    def test_ignores_a_body(self, serve: Serve, application: FakeApplication) -> None:
        url = serve(lifecycle=True).url + "-/reload"
        assert requests.post(url, data=b"now, please", timeout=WAIT_SECONDS).ok
        assert application.asked == [("reload",)]

    def test_tells_all_errors(self, serve: Serve, application: FakeApplication) -> None:
        application.errors = ["windows[0]: too long", "flows: none"]
        answer = ask(serve(lifecycle=True), "/-/reload", "POST")
        assert answer.status_code == 500
        assert answer.text == "failed to reload config:\nwindows[0]: too long\nflows: none\n"


@pytest.mark.parametrize("path", ["/metrics", "/data/sites"])
def test_a_fault_is_logged_once_and_not_shown(
    server: WebServer, application: FakeApplication, path: str, logs: list[EventDict]
) -> None:
    application.broken = RuntimeError("the inner workings")
    answer = ask(server, path)
    assert answer.status_code == 500
    assert answer.text == "Something went wrong in the exporter; its log says what."
    errors = [entry for entry in logs if entry["log_level"] == "error"]
    assert [(entry["event"], entry["path"]) for entry in errors] == [("request failed", path)]


def test_answers_tell_browsers_to_be_careful(server: WebServer) -> None:
    for path in ("/", "/metrics", "/nothing"):
        headers = ask(server, path).headers
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "Server" not in headers


def test_the_page_of_a_period_is_made_off_the_event_loop(
    server: WebServer, application: FakeApplication
) -> None:
    url = f"{server.url}?days=7&segmentation=OS"
    assert requests.get(url, timeout=WAIT_SECONDS).status_code == 200
    assert application.asked[-1] == ("page", 7, "OS")
    application.hold.clear()
    with in_background(server, "?days=7") as answers:
        eventually(lambda: application.asked[-1] == ("page", 7, None))
        assert ask(server, "/metrics").status_code == 200
        application.hold.set()
    assert answers[0].status_code == 200


@pytest.mark.parametrize(
    ("query", "line"),
    [
        ("days=8", "days: must be one of 7, 30, 90"),
        ("days=seven", "days: must be one of 7, 30, 90"),
        ("segmentation=Nothing", "Invalid segmentation"),
    ],
)
def test_a_page_that_cannot_be_is_refused(server: WebServer, query: str, line: str) -> None:
    answer = requests.get(f"{server.url}?{query}", timeout=WAIT_SECONDS)
    assert (answer.status_code, answer.text) == (400, line)


def test_the_page_is_compressed_for_those_who_take_it(server: WebServer) -> None:
    plain = requests.get(server.url, headers={"Accept-Encoding": "identity"}, timeout=WAIT_SECONDS)
    packed = requests.get(server.url, headers={"Accept-Encoding": "gzip"}, timeout=WAIT_SECONDS)
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["Vary"] == "Accept-Encoding"
    assert packed.text == plain.text
    assert int(packed.headers["Content-Length"]) < len(plain.content) / 2


def test_the_icon_is_its_own(server: WebServer) -> None:
    answer = ask(server, "/favicon.svg")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/svg+xml")
    assert answer.text.startswith("<svg ")


def test_more_names_than_anyone_needs_are_refused(
    server: WebServer, application: FakeApplication
) -> None:
    answer = ask(server, "/metrics?" + "&".join(f"name[]=n{n}" for n in range(101)))
    assert (answer.status_code, answer.text) == (400, "name[]: must be at most 100 names")
    assert application.asked == []


def test_a_selection_that_takes_long_holds_nobody_up(
    serve: Serve, application: FakeApplication
) -> None:
    application.hold.clear()
    server = serve(limits=Limits(selections_waiting=0))
    with in_background(server, "metrics?name[]=kpi_dialogs") as answers:
        eventually(lambda: application.asked)
        assert ask(server, "/-/healthy").status_code == 200
        assert ask(server, "/metrics").status_code == 200
        assert ask(server, "/metrics?name[]=kpi_new_users").status_code == 503
        application.hold.set()
    assert answers[0].status_code == 200


def test_a_path_in_the_log_is_short_and_escaped(
    server: WebServer, logs: list[EventDict], application: FakeApplication
) -> None:
    application.broken = StoreError("away")
    ask(server, "/data/" + "x" * 50_000)
    paths = [entry["path"] for entry in logs if "path" in entry]
    assert len(paths) >= 1
    assert all(len(path) <= 103 for path in paths)
