"""KPIggybank as it is and as it fails, over real sockets."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from exporter import __version__, exchange
from exporter.domain.interaction import Row
from exporter.exchange import Client
from exporter.ports import SourceError, SourceNotReadyError, SourceTooSlowError
from exporter.sources.kpiggybank import Kpiggybank
from fake_server import Crowd, FakeKpiggybank
from testing.waiting import WAIT_SECONDS
from tests.builders import ms
from tests.sources.wire import HOUR, NOON, Script, fetched, plain, serving, source

SECOND = timedelta(seconds=1)
BOTH = pytest.mark.parametrize("backend", ["couchdb", "memory"])


@contextmanager
def holding(backend: str, *moments: datetime | str | int) -> Iterator[FakeKpiggybank]:
    """A bank with a blob at each of these moments, numbered."""
    with FakeKpiggybank(backend=backend) as bank:
        bank.add(
            {
                "timestamp": ms(at) if isinstance(at, datetime) else at,
                "event_stream": [["screen.rp_info", n]],
            }
            for n, at in enumerate(moments)
        )
        yield bank


def numbers(rows: list[Row]) -> list[int]:
    return sorted(json.loads(row.raw)["event_stream"][0][1] for row in rows)


# What it gives


@BOTH
def test_bounds_lose_nothing(backend: str) -> None:
    moment = timedelta(milliseconds=1)
    with holding(backend, NOON - HOUR, NOON - moment, NOON, NOON + HOUR) as bank:
        before = numbers(fetched(source(bank.url), NOON - HOUR, NOON))
        after = numbers(fetched(source(bank.url), NOON, NOON + HOUR))

    assert {0, 1} <= set(before) <= {0, 1, 2}
    assert {2} <= set(after) <= {1, 2, 3}


@BOTH
def test_windows_side_by_side_hold_every_row_once_but_for_those_on_a_bound(backend: str) -> None:
    start = NOON - 24 * HOUR
    with FakeKpiggybank(backend=backend) as bank:
        bank.fill(Crowd(seed=3, per_day=300).plans(start, NOON))
        one = source(bank.url)
        whole = fetched(one, start, NOON)
        cuts = [start + n * timedelta(minutes=47) for n in range(32)]
        parts = [row for a, b in pairwise(cuts) for row in fetched(one, a, min(b, NOON))]

        assert {row.id for row in parts} == {row.id for row in whole}
        assert len(whole) == bank.stored


@BOTH
def test_rows_have_the_ids_of_the_source(backend: str) -> None:
    with holding(backend, NOON - HOUR) as bank:
        (served,) = fetched(source(bank.url))
        (again,) = fetched(source(bank.url))

    assert served.id == again.id
    assert len(served.id) == (32 if backend == "couchdb" else 40)
    assert json.loads(served.raw)["timestamp"] == ms(NOON - HOUR)


def test_without_an_end_strings_come_too() -> None:
    with holding("couchdb", NOON, str(ms(NOON)), NOON + 48 * HOUR) as bank:
        one = source(bank.url)

        assert numbers(fetched(one, NOON, NOON + HOUR)) == [0]
        assert numbers(fetched(one, NOON + HOUR, None)) == [1, 2]


def test_the_count_is_of_everything() -> None:
    with holding("couchdb", NOON, str(ms(NOON)), 5) as bank:
        assert source(bank.url).count() == 3


@BOTH
def test_an_empty_bank_has_no_rows_and_cannot_say_so(backend: str) -> None:
    with FakeKpiggybank(backend=backend) as bank:
        one = source(bank.url)

        assert fetched(one) == []
        before = bank.stats["requests"]["/wsapi/interaction_data/count"]
        assert one.count() is None
        assert bank.stats["requests"]["/wsapi/interaction_data/count"] == before + 1


@pytest.mark.parametrize("end", [NOON, NOON - HOUR])
def test_a_range_that_ends_before_it_begins_is_never_asked_for(end: datetime) -> None:
    with holding("couchdb", NOON) as bank:
        with pytest.raises(ValueError, match="before it begins"):
            fetched(source(bank.url), NOON, end)

        assert bank.alive
        assert bank.stats["requests"] == {}


def test_the_shortest_range_has_its_start_before_its_end() -> None:
    with holding("couchdb", NOON) as bank:
        fetched(source(bank.url), NOON, NOON + timedelta(milliseconds=1))
        ((start, end),) = bank.stats["ranges"]

    assert int(start) < int(end)


def test_bounds_are_milliseconds() -> None:
    with serving(plain(b"[]")) as wire:
        fetched(source(wire.url), NOON, NOON + HOUR)

    query = parse_qs(urlsplit(wire.requests[0].split()[1]).query)
    assert query == {"start": ["1372679999999"], "end": ["1372683600000"]}


def test_headers_are_sent() -> None:
    with serving(plain(b"[]")) as wire:
        fetched(source(wire.url, Authorization="Bearer abc"))

    assert "\r\nAuthorization: Bearer abc\r\n" in wire.requests[0]


# What is said when it fails


def silently_closed(connection: socket.socket) -> None:
    connection.close()


REDIRECT = "Location: http://elsewhere.example/login\r\n"
HTML = "Content-Type: text/html\r\n"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (plain(b"<html>", "200 OK", HTML), "begins with '<html>', an array"),
        (plain(b""), "empty, an array of interactions was expected"),
        (plain(b" \r\n "), "empty"),
        (plain(b"\xff\xfe\x00"), "begins with"),
        (plain(b'{"error":"x"}'), "begins with '{"),
        (plain(b"null"), "begins with 'n'"),
        (plain(b'[{"id":"1","key":1,"value":{}},'), "ends in the middle of the array"),
        (plain(b"["), "ends in the middle"),
        (plain(b'[{"id":"1","key":1,"value":{"a":"'), "ends in the middle"),
        (plain(b"[]<html>"), "goes on after the array's end"),
        (plain(b"", "401 Unauthorized"), "401; check data_server.headers"),
        (plain(b"", "403 Forbidden"), "403; check data_server.headers"),
        (plain(b"", "404 Not Found"), "404 Not Found"),
        (plain(b"", "500 Internal Server Error"), "500 Internal Server Error"),
        (plain(b"", "302 Found", REDIRECT), "redirects to http://elsewhere.example/login"),
        (plain(b"", "503 No", "Retry-After: 3600\r\n"), "503 No"),
        (lambda connection: connection.sendall(b"\0\1\2\r\n\r\n"), "cannot be read"),
        (silently_closed, "cannot be read"),
    ],
    ids=[
        "html", "nothing", "blanks", "bytes", "object", "null", "comma", "bracket", "string",
        "trailer", "401", "403", "404", "500", "redirect", "retry-after", "no http", "closed",
    ],
)  # fmt: skip
def test_a_bad_answer_is_told_from_interactions(script: Script, words: str) -> None:
    with serving(script) as wire, pytest.raises(SourceError) as failure:
        fetched(source(wire.url))

    text = str(failure.value)
    assert words in text
    assert wire.url in text
    assert "\n" not in text
    assert not isinstance(failure.value, SourceTooSlowError)


def test_rows_before_a_cut_are_given() -> None:
    body = b'[{"id":"1","key":1,"value":{"a":1}},{"id":"2","key":2,"value":{"a"'
    with serving(plain(body)) as wire:
        portions = source(wire.url).fetch(NOON - HOUR, NOON)

        assert next(portions) == [Row("1", b'{"a":1}')]
        with pytest.raises(SourceError, match="in the middle"):
            next(portions)


@BOTH
@pytest.mark.parametrize("fault", ["reset", "truncated", "cut"])
def test_an_answer_that_breaks_off_is_an_error(backend: str, fault: str) -> None:
    with FakeKpiggybank(backend=backend, faults=[fault]) as bank:
        bank.fill(Crowd(per_day=500).plans(NOON - 24 * HOUR, NOON))
        with pytest.raises(SourceError):
            fetched(source(bank.url), NOON - 24 * HOUR, NOON)


@pytest.mark.parametrize("fault", ["status-502*1", "status-500*2"])
def test_what_fails_once_is_asked_again(fault: str) -> None:
    with holding("couchdb", NOON - HOUR) as bank:
        bank.set_faults(fault)

        assert numbers(fetched(source(bank.url))) == [0]


def test_a_connection_that_ends_unanswered_is_made_again() -> None:
    answers = iter([silently_closed, plain(b"[]")])

    def script(connection: socket.socket) -> None:
        next(answers)(connection)

    with serving(script) as wire:
        assert fetched(source(wire.url)) == []


def test_a_source_that_refuses_connections_is_said_to() -> None:
    with holding("couchdb", NOON) as bank:
        url = bank.url
    with pytest.raises(SourceError, match="refused") as failure:
        fetched(source(url))

    assert "object at 0x" not in str(failure.value)


def test_a_source_that_was_restarted_is_connected_to_anew() -> None:
    with holding("couchdb", NOON - HOUR) as bank:
        one = source(bank.url)
        assert numbers(fetched(one)) == [0]
        bank.die()
        bank.restart()

        assert numbers(fetched(one)) == [0]


@pytest.mark.parametrize("body", [b"", b"many", b"-5", b"1.5", b"[]", b"<html>", b"9" * 900])
def test_a_count_that_is_no_number_is_an_error(body: bytes) -> None:
    with (
        serving(plain(b"[]"), count=plain(body)) as wire,
        pytest.raises(SourceError, match="a number was expected"),
    ):
        source(wire.url).count()


def test_a_count_without_end_is_not_read_to_it() -> None:
    def script(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"1" * 65_536)

    with (
        serving(plain(b"[]"), count=script) as wire,
        pytest.raises(SourceError, match="a number was expected"),
    ):
        source(wire.url).count()


# Time


def dripping(head: bytes, drop: bytes) -> Script:
    """A server that never says nothing for long."""

    def script(connection: socket.socket) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(drop)
            time.sleep(0.05)

    return script


def silent(beginning: bytes = b"") -> Script:
    """A server that says no more than this."""

    def script(connection: socket.socket) -> None:
        connection.sendall(beginning)
        connection.recv(1)

    return script


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
GZIP = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n\x1f\x8b\x08"
TRICKLES = {
    "nothing": silent(),
    "status": dripping(b"HTTP/1.1 200 ", b"O"),
    "header": dripping(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"a"),
    "continue": dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "error": dripping(b"HTTP/1.1 404 Not Found\r\nX-Slow: ", b"a"),
    "head": silent(CHUNKED),
    "a byte": silent(LENGTH + b"["),
    "drips": dripping(LENGTH + b"[", b" "),
    "chunks": dripping(CHUNKED, b"1\r\n[\r\n"),
    "inside a chunk": dripping(CHUNKED + b"fffff\r\n[", b" "),
    "chunk extension": dripping(CHUNKED + b"1;x=", b"a"),
    "trailer": dripping(CHUNKED + b"2\r\n[]\r\n0\r\n", b"X-T: 1\r\n"),
    "gzip name": dripping(GZIP + b"\x08" + b"\0" * 6, b"n" * 100),
    "gzip of nothing": dripping(GZIP + b"\0" * 7, b"\0\0\0\xff\xff" * 10),
}


@pytest.mark.parametrize("script", TRICKLES.values(), ids=TRICKLES)
def test_the_timeout_is_by_the_wall_clock_whatever_trickles_in(script: Script) -> None:
    with serving(script) as wire:
        begun = time.monotonic()
        with pytest.raises(SourceError, match=r"within 0\.4 s"):
            fetched(source(wire.url, seconds=0.4))

        assert 0.3 < time.monotonic() - begun < WAIT_SECONDS
        assert len(wire.requests) == 1


@pytest.mark.parametrize("script", TRICKLES.values(), ids=TRICKLES)
def test_a_count_has_the_same_timeout(script: Script) -> None:
    with (
        serving(plain(b"[]"), count=script) as wire,
        pytest.raises(SourceError, match=r"/count did not finish .* within 0\.4 s|a number was"),
    ):
        source(wire.url, seconds=0.4).count()


def test_a_body_without_end_ends_with_the_timeout() -> None:
    with FakeKpiggybank() as bank:
        bank.fill(Crowd(per_day=50).plans(NOON - 24 * HOUR, NOON))
        one = source(bank.url, seconds=0.4)
        one.count()
        bank.set_faults("endless")
        with pytest.raises(SourceTooSlowError):
            fetched(one, NOON - 24 * HOUR, NOON)


# What of an answer is read, and told


def pouring(head: bytes, *, read_bytes: list[int]) -> Script:
    """A server whose answer has a body of a gigabyte, as far as somebody reads it."""

    def script(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 %b\r\nContent-Length: 1000000000\r\n\r\n" % head)
        for _ in range(1_000):
            connection.sendall(bytes(1_000_000))
            read_bytes.append(1_000_000)

    return script


@pytest.mark.parametrize(
    "head",
    [
        b"302 Found\r\nLocation: /elsewhere",
        b"302 Found\r\nLocation: http://[",
        b"302 Found",
        b"404 Not Found",
        b"503 No\r\nRetry-After: 1",
        b"401 Unauthorized\r\nWWW-Authenticate: Basic",
    ],
)
def test_the_body_of_a_redirect_or_an_error_is_not_read(head: bytes) -> None:
    read: list[int] = []
    with serving(pouring(head, read_bytes=read), count=pouring(head, read_bytes=read)) as wire:
        one = source(wire.url)
        with pytest.raises(SourceError):
            one.count()
        with pytest.raises(SourceError):
            fetched(one)

    assert sum(read) < 100_000_000  # what a few connections hold on their way


SECRET = "Bearer c2VjcmV0"
INTERACTION = b'{"timestamp":1361407200000,"event_stream":[["screen.rp_info",2721]]}'


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 302 Found\r\nLocation: http://\x1b[31m\x07/" + b"x" * 3_000 + b"\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://[\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: /?" + SECRET.encode() + b"\r\n\r\n",
        b"HTTP/1.1 404 \x1b]0;title\x07 " + b"long " * 500 + b"\r\n\r\n",
        b"HTTP/1.1 404 " + SECRET.encode() + b"\r\n\r\n",
        INTERACTION,  # as HTTP/0.9 answers
        b"[" + INTERACTION + b"]",
        b"HTTP/1.1 200 OK\r\n\r\n" + INTERACTION,
        b"HTTP/1.1 200 OK\r\n" + INTERACTION + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + INTERACTION + b"\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n[" + INTERACTION,
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + INTERACTION,
        b"HTTP/1.1 OK\r\n\r\n" + INTERACTION,
        b"HTTP/1.1 200 " + b"x" * 70_000,
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
    ],
)
@pytest.mark.parametrize("counting", [False, True])
def test_a_bad_answer_is_one_short_line_that_betrays_nothing(
    answer: bytes, *, counting: bool
) -> None:
    def script(connection: socket.socket) -> None:
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_WR)

    with serving(script, count=script if counting else None) as wire:
        one = source(wire.url, Authorization=SECRET)
        ask = one.count if counting else partial(fetched, one)
        with pytest.raises(SourceError) as failure:
            ask()

    text = str(failure.value)
    assert len(text) < 400
    assert text.isprintable()
    assert "event_stream" not in text
    assert "c2VjcmV0" not in text


def test_cookies_are_not_kept() -> None:
    with serving(plain(b"[]", headers="Set-Cookie: session=1\r\n")) as wire:
        one = source(wire.url)
        for _ in range(2):
            fetched(one)

    assert len(wire.requests) == 2
    assert not any("cookie" in head.lower() for head in wire.requests)


# What of the environment reaches it


def test_neither_netrc_nor_proxies_of_the_environment_change_a_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1\nlogin a\npassword b\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    with serving(plain(b"[]")) as elsewhere, serving(plain(b"[]")) as wire:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"):
            monkeypatch.setenv(name, elsewhere.url)
        fetched(source(wire.url, Authorization=SECRET))

    assert elsewhere.requests == elsewhere.counts == []
    assert f"\r\nAuthorization: {SECRET}\r\n" in wire.requests[0]
    assert f"\r\nUser-Agent: kpi-exporter/{__version__}\r\n" in wire.requests[0]


def test_a_configured_proxy_is_asked_in_its_stead() -> None:
    with serving(plain(b"[]")) as proxy:
        client = Client(
            proxy=proxy.url.partition("/wsapi")[0], proxy_headers={"Proxy-Authorization": "Basic x"}
        )
        one = Kpiggybank("http://bank.invalid/data", timeout=10 * SECOND, client=client)
        fetched(one)

    assert proxy.requests[0].startswith("GET http://bank.invalid/data?start=")
    assert "\r\nProxy-Authorization: Basic x\r\n" in proxy.requests[0]


# Gently


class Clock:
    """A monotonic clock that goes on only when somebody pauses, or says so."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    def pass_by(self, seconds: float) -> None:
        self.seconds += seconds


def timed(url: str, clock: Clock, *, seconds: float = 5) -> Kpiggybank:
    return Kpiggybank(
        url,
        timeout=seconds * SECOND,
        client=Client(),
        monotonic=clock,
        pause=clock.pass_by,
    )


def test_no_range_is_asked_for_before_a_count_has_answered() -> None:
    with serving(plain(b"[]"), count=plain(b"", "503 No")) as wire:
        with pytest.raises(SourceError, match="503 No"):
            fetched(timed(wire.url, Clock()))

        assert wire.requests == []
        assert len(wire.counts) == 3


def test_a_count_is_good_for_the_ranges_of_the_next_minute() -> None:
    clock = Clock()
    with serving(plain(b"[]")) as wire:
        one = timed(wire.url, clock)
        for _ in range(4):
            fetched(one)
            clock.pass_by(25)

        assert (len(wire.counts), len(wire.requests)) == (2, 4)


def test_a_range_that_failed_is_asked_for_once_more_and_only_if_the_count_answers() -> None:
    with serving(silently_closed) as wire:
        with pytest.raises(SourceError, match="without an answer"):
            fetched(timed(wire.url, Clock()))

        assert (len(wire.counts), len(wire.requests)) == (2, 2)


def test_a_count_that_fails_after_a_long_time_is_not_ready_rather_than_unable() -> None:
    clock = Clock()

    def slow(connection: socket.socket) -> None:
        clock.pass_by(60)
        plain(b"", "500 Internal Server Error")(connection)

    with serving(plain(b"[]"), count=slow) as wire:
        one = timed(wire.url, clock, seconds=90)
        with pytest.raises(SourceNotReadyError, match="500 after 60 s"):
            fetched(one)

        assert wire.requests == []


def test_after_a_time_out_nothing_is_asked_while_the_server_may_be_at_work() -> None:
    clock = Clock()
    answers = iter([silent(), plain(b"7")])

    def script(connection: socket.socket) -> None:
        next(answers)(connection)

    with serving(plain(b"[]"), count=script) as wire:
        one = timed(wire.url, clock, seconds=0.3)
        with pytest.raises(SourceNotReadyError) as first:
            one.count()
        clock.pass_by(0.5)
        with pytest.raises(SourceNotReadyError) as again:
            fetched(one)
        assert str(first.value) == str(again.value)  # and so it is logged once
        assert (len(wire.counts), len(wire.requests)) == (1, 0)

        clock.pass_by(0.2)
        fetched(one)
        assert (len(wire.counts), len(wire.requests)) == (2, 1)


def test_a_bank_that_builds_its_view_is_not_killed_and_is_read_when_it_is_done() -> None:
    clock = Clock()
    with FakeKpiggybank(faults=["indexing=2"]) as bank:
        bank.add([{"timestamp": ms(NOON - HOUR), "event_stream": [["screen.rp_info", 0]]}])
        one = timed(bank.url, clock, seconds=0.3)
        for _ in range(3):
            with pytest.raises(SourceNotReadyError, match="building its view"):
                fetched(one)
            clock.pass_by(1)
        assert bank.alive
        bank.set_faults()

        assert numbers(fetched(timed(bank.url, clock))) == [0]
        assert bank.alive


def test_a_connection_that_was_idle_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Firewalls forget what is idle, and say nothing."""
    monkeypatch.setattr(exchange, "IDLE_SECONDS", 0.0)
    asked_again: list[bytes] = []

    def forgetful(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n7")
        asked_again.append(connection.recv(65_536))
        connection.recv(65_536)  # is never answered

    with serving(plain(b"[]"), count=forgetful) as wire:
        one = source(wire.url)

        assert [one.count(), one.count()] == [7, 7]
        assert b"".join(asked_again) == b""


def test_what_drips_but_comes_in_time_is_read() -> None:
    with holding("couchdb", NOON - HOUR) as bank:
        bank.set_faults("slow=2000")

        assert numbers(fetched(source(bank.url))) == [0]


def test_an_address_that_swallows_connections_is_said_to_be_out_of_reach() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)  # noqa: FBT003 -- is how it is called
            one.connect_ex(("127.0.0.1", port))  # fills the queue: the next gets no answer
        with pytest.raises(SourceError, match=r"no connection within 0\.2 s") as failure:
            fetched(source(f"http://127.0.0.1:{port}/", seconds=0.2))
        for one in waiting:
            one.close()

    assert not isinstance(failure.value, SourceTooSlowError)
