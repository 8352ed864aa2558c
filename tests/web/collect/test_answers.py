"""What is answered to a dialog that posts interactions, answer by answer."""

import json
import socket
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import bcrypt
import pytest
import requests
from structlog.testing import capture_logs

from exporter.domain.interaction import Row
from exporter.ingest.collector import CollectorFull
from exporter.ports import StoreError
from exporter.web.collect import CollectServer
from testing.waiting import eventually

PATH = "/wsapi/interaction_data"
ORIGIN = "https://login.example.org"
BLOB = {"timestamp": 1_372_681_800_000, "event_stream": [["screen.rp_info", 10]]}
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
BEACON = "text/plain;charset=UTF-8"


class Desk:
    """Who stores what was posted: a test says how that ends."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.failure: Exception | None = None
        self.full = False
        self.answers: list[tuple[int, bool]] = []

    def submit(self, rows: Sequence[Row]) -> Future[None]:
        if self.full:
            raise CollectorFull
        stored: Future[None] = Future()
        if self.failure is not None:
            stored.set_exception(self.failure)
        else:
            self.rows += rows
            stored.set_result(None)
        return stored

    def answered(self, status: int, seconds: float | None) -> None:
        self.answers.append((status, seconds is not None))


@pytest.fixture
def desk() -> Desk:
    return Desk()


Serve = Callable[..., str]


@pytest.fixture
def serve(desk: Desk) -> Iterator[Serve]:
    """Start the socket on a free port; return its address."""
    with ExitStack() as servers:

        def start(**settings: Any) -> str:
            server = CollectServer(
                desk,
                **{
                    "listen": "127.0.0.1:0",
                    "path": PATH,
                    "allow_origins": [ORIGIN],
                    "max_body": 1024,
                    "max_rate": 1000,
                    **settings,
                },
            )
            server.start()
            servers.callback(server.stop, timedelta(seconds=1))
            return server.url.removesuffix("/")

        yield start


def post(
    address: str, body: str | bytes, kind: str | None = JSON, **headers: str
) -> requests.Response:
    sent = {key.replace("_", "-"): value for key, value in headers.items()}
    if kind is not None:
        sent["Content-Type"] = kind
    return requests.post(f"{address}{PATH}", data=body, headers=sent, timeout=30)


def form(value: object) -> str:
    return urlencode({"data": json.dumps(value)})


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (form(BLOB), FORM),
        (form([BLOB]), FORM),
        (json.dumps(BLOB), JSON),
        (json.dumps([BLOB]), f"{JSON}; charset=utf-8"),
        (json.dumps(BLOB), BEACON),
    ],
)
def test_a_blob_is_taken_in_each_form_that_dialogs_send(
    serve: Serve, desk: Desk, body: str, kind: str
) -> None:
    answer = post(serve(), body, kind)

    assert (answer.status_code, answer.text) == (201, "ok")
    assert [json.loads(row.raw) for row in desk.rows] == [BLOB]
    eventually(lambda: desk.answers == [(201, True)])  # counted once it is sent


def test_an_id_is_the_blobs_own_or_a_new_one(serve: Serve, desk: Desk) -> None:
    blobs = [{**BLOB, "_id": "mine"}, BLOB, BLOB, {**BLOB, "_id": 7}, {**BLOB, "_id": ""}]

    post(serve(), json.dumps(blobs))

    ids = [row.id for row in desk.rows]
    assert ids[0] == "mine"
    assert len(set(ids)) == 5
    assert all(len(id_) == 32 for id_ in ids[1:])


def test_blobs_are_kept_as_they_were_written(serve: Serve, desk: Desk) -> None:
    text = '{ "timestamp": 1372681800000.0,  "event_stream": [] }'

    post(serve(), f"[{text}, null, 5]")

    assert [row.raw for row in desk.rows] == [text.encode(), b"null", b"5"]


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        ("x=1", FORM, "Malformed POST, unable to parse JSON."),
        ("", FORM, "Malformed POST, unable to parse JSON."),
        ("data=", FORM, "Malformed POST, unable to parse JSON."),
        (json.dumps(BLOB), None, "Malformed POST, unable to parse JSON."),
        (json.dumps(BLOB), "image/png", "Malformed POST, unable to parse JSON."),
        ("data={", FORM, "JSON syntax error"),
        ('{"timestamp": NaN}', JSON, "JSON syntax error"),
        ("", JSON, "JSON syntax error"),
        ("null", JSON, "JSON syntax error"),
        ("[null]", JSON, "JSON syntax error"),
        (b'{"timestamp": 1, "lang": "\xff"}', JSON, "JSON syntax error"),
        ("[" * 400, JSON, "JSON syntax error"),
        (f'[{json.dumps(BLOB)}, {{"timestamp"', JSON, "JSON syntax error"),
        ("[]", JSON, "invalid"),
        ("5", JSON, "invalid"),
        ('"text"', JSON, "invalid"),
        ('{"event_stream": []}', JSON, "invalid"),
        ('[{"timestamp": 0}]', JSON, "invalid"),
        ('[5, {"timestamp": 1372681800000}]', JSON, "invalid"),
    ],
)
def test_what_holds_no_interactions_is_refused_in_kpiggybanks_words(
    serve: Serve, desk: Desk, body: str | bytes, kind: str | None, words: str
) -> None:
    answer = post(serve(), body, kind)

    assert (answer.status_code, answer.text) == (400, words)
    assert not desk.rows
    eventually(lambda: desk.answers == [(400, True)])


def test_a_body_that_is_too_large_is_answered_413_and_never_parsed(
    serve: Serve, desk: Desk
) -> None:
    address = serve(max_body=100)

    announced = post(address, b"[" + b" " * 100)
    piecemeal = requests.post(
        f"{address}{PATH}", data=iter([b"[" * 60, b"[" * 60]), headers={}, timeout=30
    )
    fits = post(address, json.dumps(BLOB).ljust(100))

    assert announced.status_code == piecemeal.status_code == 413
    assert announced.text == "The body is larger than 100 bytes"
    assert fits.status_code == 201
    assert len(desk.rows) == 1


def test_a_body_larger_than_is_ever_read_is_refused_before_it_is_sent(serve: Serve) -> None:
    host, _, port = serve().removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(
            f"POST {PATH} HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n".encode()
        )
        assert connection.recv(1000).startswith(b"HTTP/1.1 413 ")


def test_beyond_the_rate_all_clients_are_asked_to_wait(serve: Serve, desk: Desk) -> None:
    address = serve(max_rate=1, max_body=100_000)

    many = post(address, json.dumps([BLOB] * 50))
    another = post(address, json.dumps(BLOB))

    assert many.status_code == 201
    assert another.status_code == 429
    assert 40 <= int(another.headers["Retry-After"]) <= 50
    assert len(desk.rows) == 50


@pytest.mark.parametrize("why", ["failed", "full"])
def test_what_the_store_does_not_take_is_503_and_to_be_sent_again(
    serve: Serve, desk: Desk, why: str
) -> None:
    desk.full = why == "full"
    desk.failure = StoreError("kpi.db cannot be written: disk full")

    answer = post(serve(), json.dumps(BLOB), Origin=ORIGIN)

    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "kpi.db" not in answer.text


def test_a_fault_of_our_own_is_500_without_its_words(serve: Serve, desk: Desk) -> None:
    desk.failure = RuntimeError("secret")

    answer = post(serve(), json.dumps(BLOB))

    wrong = "Something went wrong in the exporter; its log says what."
    assert (answer.status_code, answer.text) == (500, wrong)


def test_a_preflight_from_a_listed_origin_is_answered_for_a_day(serve: Serve) -> None:
    answer = requests.options(f"{serve()}{PATH}", headers={"Origin": ORIGIN}, timeout=30)

    assert (answer.status_code, answer.content) == (204, b"")
    headers = answer.headers
    assert headers["Access-Control-Allow-Origin"] == ORIGIN
    assert headers["Access-Control-Allow-Methods"] == "POST"
    assert headers["Access-Control-Allow-Headers"] == "Content-Type"
    assert headers["Access-Control-Max-Age"] == "86400"
    assert headers["Vary"] == "Origin"
    assert "Access-Control-Allow-Credentials" not in headers


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://login.example.org", f"{ORIGIN}:8443", "*"]
)
def test_another_origin_gets_no_cors_header_and_no_preflight(serve: Serve, origin: str) -> None:
    address = serve()

    posted = post(address, json.dumps(BLOB), BEACON, Origin=origin)
    preflight = requests.options(f"{address}{PATH}", headers={"Origin": origin}, timeout=30)

    assert posted.status_code == 201  # the same origin sends its own, and needs no header
    assert preflight.status_code == 405
    for answer in (posted, preflight):
        assert not [name for name in answer.headers if name.startswith("Access-Control")]


def test_without_listed_origins_there_is_no_cors_at_all(serve: Serve) -> None:
    answer = post(serve(allow_origins=[]), json.dumps(BLOB), Origin=ORIGIN)

    assert answer.status_code == 201
    assert "Vary" not in answer.headers
    assert not [name for name in answer.headers if name.startswith("Access-Control")]


def test_there_is_a_ping_and_nothing_else(serve: Serve, desk: Desk) -> None:
    address = serve()

    assert requests.get(f"{address}/wsapi/ping", timeout=30).text == "pong"
    for method, path, status in (
        ("GET", PATH, 405),
        ("DELETE", PATH, 405),
        ("POST", "/wsapi/ping", 405),
        ("GET", "/metrics", 404),
        ("POST", f"{PATH}/count", 404),
        ("GET", "/", 404),
    ):
        answer = requests.request(method, f"{address}{path}", timeout=30)
        assert answer.status_code == status, (method, path)
    assert requests.get(f"{address}{PATH}", timeout=30).headers["Allow"] == "POST, OPTIONS"
    assert not desk.rows


def test_the_path_is_as_configured(serve: Serve) -> None:
    address = serve(path="/k.pi")

    assert requests.post(f"{address}/k.pi", json=BLOB, timeout=30).status_code == 201
    assert requests.post(f"{address}/kapi", json=BLOB, timeout=30).status_code == 404


def test_with_passwords_only_users_post_and_preflights_pass(serve: Serve, tmp_path: Path) -> None:
    hashed = bcrypt.hashpw(b"only-for-tests", bcrypt.gensalt(4)).decode()
    config = tmp_path / "collect-web.yml"
    config.write_text(f"basic_auth_users: {{dialog: '{hashed}'}}\n")
    address = serve(config_file=config)

    def status(auth: tuple[str, str] | None) -> int:
        url = f"{address}{PATH}"
        return requests.post(url, json=BLOB, auth=auth, timeout=30).status_code

    assert status(None) == status(("dialog", "wrong")) == 401
    assert status(("dialog", "only-for-tests")) == 201
    preflight = requests.options(f"{address}{PATH}", headers={"Origin": ORIGIN}, timeout=30)
    assert preflight.status_code == 204


def test_clients_that_dawdle_over_their_bodies_keep_nobody_out(
    serve: Serve,
) -> None:
    address = serve()
    host, _, port = address.removeprefix("http://").partition(":")
    head = f"POST {PATH} HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{{".encode()
    with ExitStack() as dawdlers:
        for _ in range(1100):  # more than may be connected at once
            connection = dawdlers.enter_context(socket.create_connection((host, int(port)), 30))
            connection.sendall(head)

        assert post(address, json.dumps(BLOB)).status_code == 201


def test_a_form_may_hold_any_character(serve: Serve, desk: Desk) -> None:
    blob = {**BLOB, "user_agent": "Prüfer ✓ 試"}
    text = json.dumps(blob, ensure_ascii=False)

    written = post(serve(), urlencode({"data": text}), FORM)
    bare = post(serve(), f"data={text}".encode(), FORM)

    assert (written.status_code, bare.status_code) == (201, 201)
    assert [json.loads(row.raw) for row in desk.rows] == [blob, blob]


@pytest.mark.parametrize("body", [b"data=%ff", b"data=\xff", b"data=%00", b"%ff=%ff", b"data=%zz"])
def test_a_form_that_holds_no_text_is_the_senders_error(
    serve: Serve, desk: Desk, body: bytes
) -> None:
    with capture_logs() as log:
        assert post(serve(), body, FORM).status_code == 400
    assert desk.rows == []
    assert log == []
