"""Each fault as a client meets it, at the socket."""

import http.client
import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from fake_server import Crowd, FakeKpiggybank
from fake_server.faults import AMOUNTS, parse
from testing.waiting import WAIT_SECONDS, eventually
from tests.fake_server.client import fetch, get, raw, rows, switch

UNTIL = datetime(2026, 11, 1, tzinfo=UTC)


@contextmanager
def filled(backend: str) -> Iterator[FakeKpiggybank]:
    with FakeKpiggybank(backend=backend) as bank:
        bank.fill(Crowd(per_day=300).plans(UNTIL - timedelta(days=1), UNTIL))
        yield bank


@pytest.fixture
def bank() -> Iterator[FakeKpiggybank]:
    """Where only the way of an answer matters, not its rows."""
    with filled("couchdb") as couchdb:
        yield couchdb


@pytest.fixture(params=["couchdb", "memory"])
def either(request: pytest.FixtureRequest) -> Iterator[FakeKpiggybank]:
    with filled(request.param) as one:
        yield one


def body_of(answer: bytes) -> bytes:
    """The part of a cut chunk that came."""
    return answer.partition(b"\r\n\r\n")[2].partition(b"\r\n")[2]


def test_hang_sends_half_and_then_nothing(bank: FakeKpiggybank) -> None:
    whole = get(bank)[1]
    bank.set_faults("hang")
    url = urlsplit(bank.url)
    came = b""
    with socket.create_connection((url.hostname, url.port), timeout=WAIT_SECONDS) as connection:
        connection.sendall(f"GET {url.path} HTTP/1.1\r\nHost: fake\r\n\r\n".encode())
        while len(body_of(came)) < 0.4 * len(whole):
            came += connection.recv(1_000_000)
        connection.settimeout(0.15)
        came += b"".join(_until_silence(connection))

    assert whole.startswith(body_of(came))
    assert len(body_of(came)) < 0.6 * len(whole)


def test_hang_ends_with_its_time(bank: FakeKpiggybank) -> None:
    bank.set_faults("hang=0.1")

    assert body_of(raw(bank))


def test_delay_answers_later(bank: FakeKpiggybank) -> None:
    whole = get(bank)
    bank.set_faults("delay=0.2")

    begun = time.monotonic()
    assert get(bank) == whole
    assert time.monotonic() - begun >= 0.2


def test_silent_never_answers(bank: FakeKpiggybank) -> None:
    bank.set_faults("silent")

    with pytest.raises(TimeoutError):
        raw(bank, seconds=0.15)


def test_what_hangs_ends_with_the_server() -> None:
    with FakeKpiggybank(faults=["silent"]) as bank:
        url = urlsplit(bank.url)
        connection = socket.create_connection((url.hostname, url.port), timeout=WAIT_SECONDS)
        connection.sendall(f"GET {url.path} HTTP/1.1\r\nHost: fake\r\n\r\n".encode())
        eventually(lambda: bank.stats["requests"])
    with connection:
        assert connection.recv(1) == b""


def test_reset_in_the_middle(bank: FakeKpiggybank) -> None:
    bank.set_faults("reset")

    with pytest.raises(ConnectionResetError):
        raw(bank)


def test_truncated_ends_without_the_last_chunk(bank: FakeKpiggybank) -> None:
    bank.set_faults("truncated=0.7")

    came = raw(bank)

    assert not came.endswith(b"0\r\n\r\n")
    with pytest.raises(http.client.IncompleteRead):
        get(bank)


def test_cut_is_whole_for_http_and_not_for_json(bank: FakeKpiggybank) -> None:
    bank.set_faults("cut")

    status, body = get(bank)

    assert status == 200
    with pytest.raises(ValueError, match="line 1"):
        json.loads(body)


def test_slow_takes_its_time_and_gets_there(bank: FakeKpiggybank) -> None:
    whole = get(bank)[1]
    bank.set_faults(f"slow={len(whole) * 3}")

    begun = time.monotonic()
    answer = get(bank)

    assert answer == (200, whole)
    assert time.monotonic() - begun > 0.2


def test_endless_goes_on_and_on(bank: FakeKpiggybank) -> None:
    whole = get(bank)[1]
    bank.set_faults("endless")
    url = urlsplit(bank.url)
    came = 0
    with socket.create_connection((url.hostname, url.port), timeout=WAIT_SECONDS) as connection:
        connection.sendall(f"GET {url.path} HTTP/1.1\r\nHost: fake\r\n\r\n".encode())
        while came < 5 * len(whole):
            came += len(connection.recv(1_000_000))


def test_endless_ends_with_its_time_and_not_as_http_should(bank: FakeKpiggybank) -> None:
    bank.set_faults("endless=0.05", "slow=1000000")

    assert not raw(bank).endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("status", [401, 429, 500, 503])
def test_a_status_with_nothing_else(bank: FakeKpiggybank, status: int) -> None:
    bank.set_faults(f"status-{status}")

    assert get(bank) == (status, b"")
    assert get(bank, "/count") == (status, b"")


def test_a_redirect_to_another_host(bank: FakeKpiggybank) -> None:
    bank.set_faults("redirect*1")

    assert b"\r\nLocation: http://elsewhere.invalid/" in _one_answer(bank)


def test_garbage_is_html_and_bytes_in_turn(bank: FakeKpiggybank) -> None:
    bank.set_faults("garbage")

    (first, html), (second, binary) = get(bank), get(bank)

    assert (first, second) == (200, 200)
    assert b"<html>" in html
    with pytest.raises(UnicodeDecodeError):
        binary.decode()


def test_duplicates(either: FakeKpiggybank) -> None:
    once = rows(either)
    either.set_faults("duplicates")

    assert rows(either) == [row for row in once for _ in range(2)]


def test_shuffled_holds_the_same_in_another_order_each_time(either: FakeKpiggybank) -> None:
    once = rows(either)
    either.set_faults("shuffled")

    first, second = rows(either), rows(either)

    assert first != second
    assert _sorted(first) == _sorted(second) == _sorted(once)


def test_shrinking_takes_the_same_rows_each_time_and_gives_them_back(
    either: FakeKpiggybank,
) -> None:
    all_rows = rows(either)
    either.set_faults("shrinking")

    left = rows(either)

    assert left == rows(either)
    assert 0.5 < len(left) / len(all_rows) < 0.8
    if get(either, "/count")[0] == 200:
        assert get(either, "/count")[1] == str(len(left)).encode()
    either.set_faults()
    assert rows(either) == all_rows


@pytest.mark.parametrize("name", ["malformed", "poison"])
def test_bad_rows_come_on_top_of_the_good_ones_and_stay_the_same(
    either: FakeKpiggybank, name: str
) -> None:
    good = get(either)[1][1:-1]
    either.set_faults(f"{name}=2")

    bad = get(either)[1][1:-1]

    assert bad == get(either)[1][1:-1]
    # The rows are told apart by their text: not every parser survives poison.
    begins = b'{"id":' if good.startswith(b'{"id":') else b'{"event_stream":[['
    assert len(bad) > len(good)
    kept = re.findall(re.escape(begins), bad)
    assert len(kept) >= len(re.findall(re.escape(begins), good))


def test_malformed_rows_parse_and_have_ids_of_their_own() -> None:
    with FakeKpiggybank() as bank:
        bank.fill(Crowd(per_day=300).plans(UNTIL - timedelta(days=1), UNTIL))
        good = rows(bank)
        bank.set_faults("malformed=2")
        served = rows(bank)

    added = [row for row in served if row not in good]

    assert [row for row in served if row in good] == good
    assert len(added) > 50
    with_ids = [row["id"] for row in added if row is not None]
    assert len(set(with_ids)) == len(with_ids)
    assert not set(with_ids) & {row["id"] for row in good}


def test_poison_breaks_a_parser() -> None:
    with FakeKpiggybank(faults=["poison=2"]) as bank:
        bank.fill(Crowd(per_day=300).plans(UNTIL - timedelta(days=1), UNTIL))
        with pytest.raises((RecursionError, ValueError)):
            rows(bank)


def test_a_wrong_count_is_too_high_and_too_low_in_turn() -> None:
    with FakeKpiggybank(faults=["wrong-count=3"]) as bank:
        bank.add([{"timestamp": 1} for _ in range(10)])
        counts = [get(bank, "/count")[1] for _ in range(4)]

    assert counts == [b"13", b"7", b"13", b"7"]


def test_restarting_refuses_for_a_while_and_lets_two_of_three_requests_pass(
    bank: FakeKpiggybank,
) -> None:
    bank.set_faults("restarting=0.2")

    assert raw(bank) == b""
    with pytest.raises(ConnectionRefusedError):
        raw(bank)
    assert eventually(lambda: bank.alive)
    assert get(bank)[0] == get(bank)[0] == 200
    assert raw(bank) == b""
    assert not bank.died.is_set()


def test_while_the_view_is_built_a_count_fails_and_a_range_kills(bank: FakeKpiggybank) -> None:
    bank.set_faults("indexing=0.1")
    status, body = get(bank, "/count")
    assert (status, body) == (500, b"")
    assert bank.alive

    with pytest.raises((http.client.HTTPException, OSError)):
        get(bank)
    assert bank.died.wait(WAIT_SECONDS)


def test_faults_go_together() -> None:
    with FakeKpiggybank(faults=["duplicates", "shuffled", "slow=1000000", "truncated"]) as bank:
        bank.add([{"timestamp": 1 + n} for n in range(10)])
        with pytest.raises(http.client.IncompleteRead):
            get(bank)
        assert bank.stats["rows"] == {"/wsapi/interaction_data": 20}


def test_a_fault_can_be_limited_to_so_many_requests(bank: FakeKpiggybank) -> None:
    bank.set_faults("status-503*2")

    assert [get(bank)[0] for _ in range(4)] == [503, 503, 200, 200]


def test_faults_are_switched_from_outside_and_do_not_touch_the_switches(
    bank: FakeKpiggybank,
) -> None:
    assert switch(bank, "faults", ["status-500", "slow=100000*3"]) == (
        200,
        ["status-500=0", "slow=100000*3"],
    )
    assert fetch(f"{bank.address}/wsapi/ping")[0] == 500
    assert switch(bank, "faults", []) == (200, [])
    assert get(bank)[0] == 200


@pytest.mark.parametrize("text", ["", "no-such", "slow=", "slow=fast", "reset*", "status-5000"])
def test_what_is_no_fault_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no such fault"):
        parse(text)


def test_every_fault_can_be_written_and_read_back() -> None:
    for name in (*AMOUNTS, "status-500"):
        fault = parse(f"{name}*2")
        assert parse(str(fault)) == fault


def _until_silence(connection: socket.socket) -> Iterator[bytes]:
    try:
        while part := connection.recv(1_000_000):
            yield part
    except TimeoutError:
        return
    pytest.fail("the connection was ended")


def _sorted(found: list[Any]) -> list[str]:
    return sorted(json.dumps(row) for row in found)


def _one_answer(bank: FakeKpiggybank) -> bytes:
    url = urlsplit(bank.url)
    with socket.create_connection((url.hostname, url.port), timeout=WAIT_SECONDS) as connection:
        connection.sendall(f"GET {url.path} HTTP/1.1\r\nHost: fake\r\n\r\n".encode())
        return connection.recv(65_536)


@pytest.mark.parametrize("name", ["malformed", "poison"])
def test_spoilt_rows_that_are_stored_are_counted_and_served_in_their_range(name: str) -> None:
    with FakeKpiggybank() as bank:
        bank.add([{"timestamp": 1}])

        bank.spoil(name, UNTIL)

        at = int(UNTIL.timestamp() * 1000)
        served = get(bank, f"?start={at}&end={at}")[1]
        assert served.count(f'"id":"{name}-'.encode()) == bank.stored - 1 > 1
        assert get(bank, "/count")[1] == str(bank.stored).encode()
