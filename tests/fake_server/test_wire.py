"""What the two backends of the real server were seen to do."""

import json
import re
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from fake_server import Arrivals, Crowd, FakeKpiggybank, Lateness
from testing.waiting import WAIT_SECONDS, eventually
from tests.fake_server.client import fetch, get, post, raw, rows, switch

UNTIL = datetime(2026, 11, 1, tzinfo=UTC)
SLOT = 600_000
FIRST = 1_793_000_400_000


def blob(timestamp: object = FIRST, **more: object) -> dict[str, Any]:
    return {"event_stream": [["screen.rp_info", 5]], "timestamp": timestamp, **more}


@pytest.fixture
def couchdb() -> Iterator[FakeKpiggybank]:
    with FakeKpiggybank(backend="couchdb") as bank:
        yield bank


@pytest.fixture
def memory() -> Iterator[FakeKpiggybank]:
    with FakeKpiggybank(backend="memory") as bank:
        yield bank


def test_an_answer_is_one_chunk_of_unknown_type(couchdb: FakeKpiggybank) -> None:
    couchdb.add([blob(_id="a"), blob(_id="b")])
    address = urlsplit(couchdb.url)
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(f"GET {address.path} HTTP/1.1\r\nHost: fake\r\n\r\n".encode())
        with connection.makefile("rb") as answer:
            head = list(iter(answer.readline, b"\r\n"))
            size = int(answer.readline(), 16)
            body = answer.read(size)
            rest = answer.read(7)

    assert head[0] == b"HTTP/1.1 200 OK\r\n"
    assert b"Transfer-Encoding: chunked\r\n" in head
    assert not any(line.lower().startswith((b"content-type", b"content-length")) for line in head)
    assert len(json.loads(body)) == 2
    assert rest == b"\r\n0\r\n\r\n"


def test_couchdb_rows_carry_id_key_and_a_value_with_id_and_revision(
    couchdb: FakeKpiggybank,
) -> None:
    couchdb.fill(Crowd().plans(UNTIL - timedelta(days=1), UNTIL))

    row = rows(couchdb)[0]

    assert list(row) == ["id", "key", "value"]
    assert re.fullmatch("[0-9a-f]{32}", row["id"])
    assert row["value"]["_id"] == row["id"]
    assert re.fullmatch("1-[0-9a-f]{32}", row["value"]["_rev"])
    assert row["value"]["timestamp"] == row["key"]


def test_memory_rows_are_blobs_with_an_odd_property(memory: FakeKpiggybank) -> None:
    memory.fill(Crowd().plans(UNTIL - timedelta(days=1), UNTIL))

    row = rows(memory)[0]

    (oddity,) = (name for name in row if re.fullmatch("[0-9a-f]{40}", name))
    assert row[oddity] == oddity
    assert not {"_id", "_rev", "id", "value"} & row.keys()


def test_couchdb_orders_by_time_and_memory_by_arrival(
    couchdb: FakeKpiggybank, memory: FakeKpiggybank
) -> None:
    blobs = [blob(FIRST + n * SLOT, lang=str(n)) for n in (2, 0, 3, 1)]
    couchdb.add(blobs)
    memory.add(blobs)

    assert [row["value"]["lang"] for row in rows(couchdb)] == ["0", "1", "2", "3"]
    assert [row["lang"] for row in rows(memory)] == ["2", "0", "3", "1"]


def test_bounds_are_inclusive_with_couchdb_and_exclusive_with_memory(
    couchdb: FakeKpiggybank, memory: FakeKpiggybank
) -> None:
    blobs = [blob(FIRST + n * SLOT, lang=str(n)) for n in range(5)]
    couchdb.add(blobs)
    memory.add(blobs)
    bounds = {"start": FIRST + SLOT, "end": FIRST + 3 * SLOT}

    assert [row["value"]["lang"] for row in rows(couchdb, **bounds)] == ["1", "2", "3"]
    assert [row["lang"] for row in rows(memory, **bounds)] == ["2"]
    assert [row["lang"] for row in rows(memory, start=FIRST + SLOT, end=0)] == ["2", "3", "4"]


def test_a_start_after_the_end_kills_couchdb_and_not_memory(
    couchdb: FakeKpiggybank, memory: FakeKpiggybank
) -> None:
    couchdb.add([blob()])

    assert raw(couchdb, "?start=2&end=1") == b""
    assert couchdb.died.wait(WAIT_SECONDS)
    with pytest.raises(ConnectionRefusedError):
        raw(couchdb)
    couchdb.restart()
    assert len(rows(couchdb)) == 1
    assert rows(memory, start=2, end=1) == []


def test_an_unknown_id_kills_couchdb(couchdb: FakeKpiggybank) -> None:
    couchdb.add([blob(_id="known")])

    status, body = get(couchdb, id="known")

    assert (status, json.loads(body)["results"]["_id"]) == (200, "known")
    assert raw(couchdb, "?id=unknown") == b""
    assert eventually(lambda: not couchdb.alive)


def test_memory_knows_a_blob_by_its_oddity(memory: FakeKpiggybank) -> None:
    memory.add([blob(lang="a"), blob(lang="b")])
    _, second = rows(memory)
    (oddity,) = (name for name in second if re.fullmatch("[0-9a-f]{40}", name))

    assert json.loads(get(memory, id=oddity)[1]) == {"results": second}
    assert get(memory, id="unknown") == (200, b"{}")


def test_an_old_client_gets_no_chunks(couchdb: FakeKpiggybank) -> None:
    address = urlsplit(couchdb.url)
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(f"GET {address.path} HTTP/1.0\r\n\r\n".encode())
        with connection.makefile("rb") as answer:
            assert answer.read().endswith(b"\r\n\r\n[]")


def test_bounds_that_are_no_numbers(couchdb: FakeKpiggybank, memory: FakeKpiggybank) -> None:
    for bank in (couchdb, memory):
        bank.add([blob(), blob(FIRST + SLOT)])

    assert len(rows(couchdb, start="x")) == 2
    assert rows(couchdb, start="x", end="y") == []
    assert len(rows(memory, start="x", end="y")) == 2
    assert len(rows(memory, start="x")) == 2


def test_a_timestamp_stored_as_a_string(couchdb: FakeKpiggybank, memory: FakeKpiggybank) -> None:
    for bank in (couchdb, memory):
        bank.add([blob(FIRST), blob(str(FIRST + SLOT)), blob(FIRST + 2 * SLOT), blob("soon")])
    bounds = {"start": FIRST - 1, "end": FIRST + 3 * SLOT}

    assert [row["key"] for row in rows(couchdb, **bounds)] == [FIRST, FIRST + 2 * SLOT]
    assert [row["key"] for row in rows(couchdb, start=FIRST)][-2:] == [str(FIRST + SLOT), "soon"]
    assert json.loads(get(couchdb, "/last")[1])["key"] == "soon"
    assert len(rows(memory, **bounds)) == 3


def test_a_blob_without_timestamp_is_counted_and_never_in_a_range(
    couchdb: FakeKpiggybank, memory: FakeKpiggybank
) -> None:
    for bank in (couchdb, memory):
        bank.add([blob(), {"lang": "en"}])
        assert len(rows(bank)) == 1
        assert bank.stored == 2

    assert get(couchdb, "/count") == (200, b"2")


def test_count_fails_where_nothing_is_stored_and_always_with_memory(
    couchdb: FakeKpiggybank, memory: FakeKpiggybank
) -> None:
    memory.add([blob()])

    assert get(couchdb, "/count") == (500, b"")
    assert get(memory, "/count") == (500, b"")


def test_last_is_the_newest_with_couchdb_and_the_first_ever_with_memory(
    couchdb: FakeKpiggybank, memory: FakeKpiggybank
) -> None:
    for bank in (couchdb, memory):
        assert get(bank, "/last") == (200, b"")
        bank.add([blob(FIRST + SLOT), blob(FIRST)])

    assert json.loads(get(couchdb, "/last")[1])["key"] == FIRST + SLOT
    assert json.loads(get(memory, "/last")[1])["timestamp"] == FIRST + SLOT


def test_ping_and_what_is_not_there(couchdb: FakeKpiggybank) -> None:
    assert fetch(f"{couchdb.address}/wsapi/ping") == (200, b"pong")
    assert fetch(f"{couchdb.address}/wsapi/other")[0] == 404


@pytest.mark.parametrize(
    ("posted", "answer", "stored"),
    [
        (blob(), (201, b"ok"), 1),
        ([blob(), blob()], (201, b"ok"), 2),
        ({"lang": "en"}, (400, b"invalid"), 0),
        ([{"lang": "en"}, blob()], (400, b"invalid"), 0),
        ([blob(), {"lang": "en"}], (201, b"ok"), 2),
        ([blob(), None, blob()], (400, b"invalid"), 2),
        ([], (400, b"invalid"), 0),
        ("{", (400, b"JSON syntax error"), 0),
        ('{"timestamp": NaN}', (400, b"JSON syntax error"), 0),
        ("", (400, b"Malformed POST, unable to parse JSON."), 0),
    ],
)
def test_posting(
    couchdb: FakeKpiggybank, posted: object, answer: tuple[int, bytes], stored: int
) -> None:
    assert post(couchdb, posted) == answer
    assert couchdb.stored == stored


def test_the_same_id_again_is_a_new_revision(couchdb: FakeKpiggybank) -> None:
    post(couchdb, blob(_id="x", lang="en"))
    post(couchdb, blob(FIRST + SLOT, _id="x", lang="fr"))

    (row,) = rows(couchdb)

    assert (row["id"], row["key"], row["value"]["lang"]) == ("x", FIRST + SLOT, "fr")
    assert row["value"]["_rev"].startswith("2-")
    assert get(couchdb, "/count") == (200, b"1")


def test_removed_blobs_are_gone(couchdb: FakeKpiggybank, memory: FakeKpiggybank) -> None:
    for bank in (couchdb, memory):
        bank.add([blob(_id="a"), blob(_id="b", lang="b")])
        bank.remove(["a"])
        (row,) = rows(bank)
        assert row.get("value", row)["lang"] == "b"


@pytest.mark.parametrize(("backend", "heard"), [("couchdb", 9), ("memory", 12)])
def test_the_stream_falls_silent_after_nine_changes_of_couchdb(backend: str, heard: int) -> None:
    with FakeKpiggybank(backend=backend) as bank:
        address = urlsplit(bank.url)
        with (
            socket.create_connection(
                (address.hostname, address.port), timeout=WAIT_SECONDS
            ) as connection,
            connection.makefile("rb") as answer,
        ):
            path = f"{address.path}/stream"
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: fake\r\n\r\n".encode())
            list(iter(answer.readline, b"\r\n"))
            bank.add(blob(lang=str(n)) for n in range(12))
            lines = []
            for _ in range(heard):
                size = int(answer.readline(), 16)
                lines.append(answer.read(size))
                answer.readline()
            connection.settimeout(0.15)
            with pytest.raises(TimeoutError):
                answer.readline()

    changes = [json.loads(line) for line in lines]
    assert all(line.endswith(b"\r\n") for line in lines)
    documents = [change["doc"] if backend == "couchdb" else change for change in changes]
    assert [document["lang"] for document in documents] == [str(n) for n in range(heard)]


def test_what_utf8_cannot_hold_is_served_as_an_escape(couchdb: FakeKpiggybank) -> None:
    couchdb.add([blob(lang="\ud800", rp_api="中文")])

    body = get(couchdb)[1]

    assert b'"lang":"\\ud800"' in body
    assert "中文".encode() in body


def test_rows_of_couchdb_can_be_served_in_either_dialect() -> None:
    value = blob(lang="de")
    row = {"id": "a", "key": FIRST, "value": {"_id": "a", "_rev": "1-2", **value}}
    for backend in ("couchdb", "memory"):
        with FakeKpiggybank(backend=backend) as bank:
            bank.load_rows([row])
            (served,) = rows(bank)
        if backend == "couchdb":
            assert served["id"] == "a"
            served = served["value"]
        assert value.items() <= served.items()


def test_requests_rows_and_ranges_are_counted(couchdb: FakeKpiggybank) -> None:
    couchdb.add([blob(), blob(FIRST + SLOT)])
    rows(couchdb)
    rows(couchdb, start=FIRST, end=FIRST)
    get(couchdb, "/count")

    stats = switch(couchdb, "stats")[1]

    assert stats["stored"] == 2
    assert stats["requests"] == {
        "/wsapi/interaction_data": 2,
        "/wsapi/interaction_data/count": 1,
    }
    assert stats["rows"]["/wsapi/interaction_data"] == 3
    assert stats["ranges"] == [[None, None], [str(FIRST), str(FIRST)]]


def test_time_goes_on_when_told_and_the_truth_with_it() -> None:
    crowd = Crowd(per_day=500, lateness=Lateness(share=0.5))
    since = UNTIL - timedelta(days=2)
    with FakeKpiggybank(arrivals=Arrivals(crowd, since)) as bank:
        assert switch(bank, "truth")[1]["stored"] == 0
        for hours in (1, 30, 48):
            now = since + timedelta(hours=hours)
            before = bank.stored
            status, said = switch(bank, "clock", {"now": now.isoformat()})
            assert status == 200
            assert said == {"arrived": bank.stored - before}
            assert switch(bank, "truth")[1]["stored"] == len(rows(bank)) > before
        day = UNTIL - timedelta(days=1)
        status, window = switch(bank, f"truth?since={day:%Y-%m-%d}&until={UNTIL:%Y-%m-%d}")
        assert window == bank.truth.days()[day.date().isoformat()]


def test_a_switch_that_makes_no_sense_is_refused(couchdb: FakeKpiggybank) -> None:
    assert switch(couchdb, "faults", ["slow", "no-such"])[0] == 400
    assert switch(couchdb, "faults") == (200, [])
    assert switch(couchdb, "clock", {"then": "2026-01-01"})[0] == 400
    assert switch(couchdb, "nothing")[0] == 404


def test_the_port_is_kept_while_dead_and_given_back_at_the_end() -> None:
    with FakeKpiggybank() as bank:
        bank.die()
        address = bank.address
        with pytest.raises(ConnectionRefusedError):
            raw(bank)
        bank.restart()
        assert bank.address == address
        assert rows(bank) == []
    with FakeKpiggybank(port=urlsplit(address).port or 0) as again:
        assert again.address == address
