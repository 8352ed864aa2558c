"""CouchDB that fails, lies or is wrongly set up: nothing counted twice, nothing lost, said once."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from uuid import uuid4

import pytest
import requests

from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.interaction import Reason
from exporter.ports import Batch, StoreError
from exporter.stores.couchdb import CouchdbStore, Transport
from exporter.stores.couchdb.transport import PAUSE_SECONDS
from testing.waiting import FACTOR, WAIT_SECONDS
from tests.stores.oracle import Oracle, assert_holds, counted
from tests.stores.places import drop_databases
from tests.stores.proxy import (
    DROPPED,
    HANGS,
    LOST,
    Answer,
    Proxy,
    Request,
    error,
    proxied,
)
from tests.stores.rows import ENGAGED, NOW, SHOWN, batch, blob, hour, some

MakeStore = Callable[..., CouchdbStore]


@pytest.fixture
def proxy(pouchdb_server: str) -> Iterator[Proxy]:
    with proxied(pouchdb_server) as proxy:
        yield proxy


@pytest.fixture
def make_store(proxy: Proxy) -> Iterator[MakeStore]:
    """Open stores behind the proxy, all in one place."""
    name = f"kpi_test_{uuid4().hex[:12]}"
    stores: list[CouchdbStore] = []

    def make(**options: object) -> CouchdbStore:
        url = proxy.url.replace("http", "couchdb", 1) + f"/{name}"
        user = {key: options.pop(key) for key in ("username", "password") if key in options}
        transport = Transport(**options)  # type: ignore[arg-type]
        stores.append(CouchdbStore(url, transport=transport, **user))  # type: ignore[arg-type]
        return stores[-1]

    yield make
    for store in stores:
        store.close()
    drop_databases(proxy.upstream, name)


def patience_seconds(what: Answer | str) -> float:
    """Return how long a store waits for answers of which some are this one."""
    return 2 * FACTOR if what == HANGS else WAIT_SECONDS


def nth(number: int, what: Answer | str) -> Callable[[Request], Answer | str | None]:
    return lambda request: what if request.number == number else None


def bulk(what: Answer | str) -> Callable[[Request], Answer | str | None]:
    return lambda request: what if request.is_bulk else None


@pytest.mark.parametrize("what", [LOST, pytest.param(DROPPED, marks=pytest.mark.slow)])
def test_any_request_of_an_import_may_fail_or_lose_its_answer(
    proxy: Proxy, make_store: MakeStore, evaluator: Evaluator, what: str
) -> None:
    oracle = Oracle()

    def opened() -> CouchdbStore:
        store = make_store()
        store.use_definitions(evaluator)
        return store

    def rows(step: int) -> Batch:
        """One row that is new, one to be ignored, one that has changed."""
        changed = blob("2026-11-05", SHOWN, ENGAGED, number_sites_signed_in=step)
        return batch(
            evaluator,
            [
                (f"new{step}", blob("2026-11-05", SHOWN)),
                (f"empty{step}", blob("2026-12-01")),
                (some(1)[0][0], changed),
            ],
        )

    store = opened()
    store.add(batch(evaluator, some(4)), NOW)
    oracle.add(batch(evaluator, some(4)))
    store.add(rows(1_000), NOW)
    store = opened()
    before = len(proxy.seen)
    store.add(rows(1_001), NOW)
    oracle.add(rows(1_000))
    oracle.add(rows(1_001))
    requests_of_an_import = len(proxy.seen) - before
    assert requests_of_an_import > 8

    for step in range(requests_of_an_import):
        store = opened()
        proxy.rule = nth(len(proxy.seen) + step, what)
        with pytest.raises(StoreError):
            store.add(rows(step), NOW)
        proxy.behave()
        oracle.add(rows(step))

        store.add(rows(step), NOW)

        assert_holds(store, oracle, evaluator)


@pytest.mark.parametrize("what", [DROPPED, LOST, HANGS, error(500, "internal_server_error", "x")])
def test_a_failed_bulk_write_is_recovered_by_the_next_process(
    proxy: Proxy, make_store: MakeStore, evaluator: Evaluator, what: Answer | str
) -> None:
    oracle = Oracle()
    rows = batch(evaluator, some(30))
    oracle.add(rows)
    first = make_store(timeout_seconds=patience_seconds(what))
    first.use_definitions(evaluator)
    proxy.rule = bulk(what)
    with pytest.raises(StoreError):
        first.add(rows, NOW)
    proxy.behave()
    sent = len(proxy.seen)

    second = make_store()
    second.use_definitions(evaluator)
    second.add(rows, NOW)

    assert_holds(second, oracle, evaluator)
    assert sent == len([r for r in proxy.seen[:sent] if not r.is_bulk]) + 1  # not sent again


def test_an_answer_for_fewer_documents_is_no_success(
    proxy: Proxy, make_store: MakeStore, evaluator: Evaluator
) -> None:
    oracle = Oracle()
    rows = batch(evaluator, some(30))
    oracle.add(rows)
    store = make_store()
    store.use_definitions(evaluator)

    def shortened(request: Request, answer: Answer) -> Answer:
        if not request.is_bulk:
            return answer
        return Answer(status=201, body=json.dumps(json.loads(answer.body)[:-3]).encode())

    proxy.alter = shortened
    with pytest.raises(StoreError, match="27 of 30"):
        store.add(rows, NOW)
    proxy.behave()
    added = store.add(rows, NOW)

    assert added.duplicate == 30
    assert_holds(store, oracle, evaluator)


def test_accepted_by_a_part_of_the_cluster_is_stored(
    proxy: Proxy, make_store: MakeStore, evaluator: Evaluator
) -> None:
    store = make_store()
    store.use_definitions(evaluator)

    def accepted(_: Request, answer: Answer) -> Answer:
        if answer.status != 201:
            return answer
        content = json.loads(answer.body)
        rows = content if isinstance(content, list) else [content]
        for row in rows:
            row["accepted"] = True
        return Answer(status=202, body=json.dumps(content).encode())

    proxy.alter = accepted

    assert store.add(batch(evaluator, some(5)), NOW).imported == 5
    assert store.stats().interactions == 5


def test_of_two_that_a_torn_cluster_accepted_the_winner_counts(
    proxy: Proxy, make_store: MakeStore, evaluator: Evaluator
) -> None:
    oracle = Oracle()
    oracle.add(batch(evaluator, some(5)))
    winner, other = make_store(), make_store()
    winner.use_definitions(evaluator)
    other.use_definitions(evaluator)
    winner.add(batch(evaluator, some(5)), NOW)

    def accept(request: Request) -> Answer | None:
        if not request.is_bulk:
            return None
        ids = [document["_id"] for document in json.loads(request.body)["docs"]]
        rows = [{"ok": True, "id": id_, "rev": "1-x", "accepted": True} for id_ in ids]
        return Answer(status=202, body=json.dumps(rows).encode())

    proxy.rule = accept
    added = other.add(batch(evaluator, some(5)), NOW)

    assert (added.imported, added.duplicate) == (0, 5)
    assert_holds(winner, oracle, evaluator)


@pytest.mark.parametrize("status", [400, 413])
def test_documents_that_couchdb_does_not_take_are_rejected_alone(
    proxy: Proxy, make_store: MakeStore, evaluator: Evaluator, status: int
) -> None:
    oracle = Oracle()
    good = some(40)
    bad = [(f"b{n}", blob("2026-11-04", SHOWN, text="too large")) for n in range(3)]
    oracle.add(batch(evaluator, good))
    store = make_store()
    store.use_definitions(evaluator)

    def refuse(request: Request) -> Answer | None:
        if request.is_bulk and b"too large" in request.body and b"rejected:" not in request.body:
            return error(status, "document_too_large", "b1")
        return None

    proxy.rule = refuse

    for _ in range(2):
        added = store.add(batch(evaluator, [*good[:20], *bad, *good[20:]]), NOW)

        assert (added.imported + added.duplicate, added.rejected) == (40, 3)
    assert store.stats().rejected == {Reason.STORE: 3}
    assert {(row.id, row.raw) for row in store.rejected(9)} == set(bad)
    assert store.rejected(1)[0].detail.endswith(
        f"its {len(bad[0][1])} bytes are too many for a document ([couchdb] max_document_size)"
        if status == 413
        else "b1"
    )
    assert counted(store) == oracle.tally(evaluator)


def test_a_changed_row_that_couchdb_does_not_take_leaves_the_old_one(
    proxy: Proxy, make_store: MakeStore, evaluator: Evaluator
) -> None:
    oracle = Oracle()
    oracle.add(batch(evaluator, some(3)))
    store = make_store()
    store.use_definitions(evaluator)
    store.add(batch(evaluator, some(3)), NOW)
    proxy.rule = lambda request: (
        error(413, "document_too_large", "x")
        if request.is_bulk and b"too large" in request.body and b"_rev" in request.body
        else None
    )

    changed = blob("2026-11-03", SHOWN, text="too large")
    added = store.add(batch(evaluator, [(some(1)[0][0], changed)]), NOW)

    assert (added.imported, added.rejected) == (0, 1)
    assert_holds(store, oracle, evaluator)


def test_a_document_that_a_validation_forbids_is_rejected_alone(
    proxy: Proxy, make_store: MakeStore, evaluator: Evaluator
) -> None:
    store = make_store()
    store.use_definitions(evaluator)

    def forbid(request: Request) -> Answer | None:
        if not request.is_bulk or b"rejected:" in request.body:
            return None
        first, *others = json.loads(request.body)["docs"]
        url = proxy.upstream + request.path
        rows = requests.post(url, json={"docs": others}, timeout=WAIT_SECONDS).json()
        refusal = {"id": first["_id"], "error": "forbidden", "reason": "not in this house"}
        return Answer(status=201, body=json.dumps([refusal, *rows]).encode())

    proxy.rule = forbid
    added = store.add(batch(evaluator, some(5)), NOW)

    assert (added.imported, added.rejected) == (4, 1)
    assert "not in this house" in store.rejected(1)[0].detail


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer(status=200, body=b"<html>Welcome</html>", kind="text/html"), "text/html"),
        (Answer(status=502, body=b"<html>Bad Gateway</html>", kind="text/html"), "502"),
        (Answer(status=500, kind=None), "500"),
        (Answer(status=500, body=b"x" * 20_000, kind=None, chunked=True), "500"),
        (error(500, "file_error", "no space left on device"), "no space left"),
        (error(500, "error", "internal_server_error"), "its log says why, a full disk"),
        (error(507, "insufficient_storage", "disk full"), "out of disk space"),
        (error(400, "b\x1b[31m", "a\nb\x00\u2028\u202e"), r"b\\x1b\[31m: a\\nb\\x00\\u2028\\u202e"),
        (error(403, "forbidden", "You are not\r\nroot"), r"You are not\\r\\nroot"),
        (Answer(status=429, body=b"slow down", kind="text/plain"), "left alone"),
        (error(503, "service_unvailable", "maintenance mode"), "not ready"),
        (Answer(status=302, kind=None), "302"),
        (Answer(status=200, body=b'{"rows": [', kind="application/json"), "cannot be read"),
        (Answer(status=200, body=b"[1]", kind="application/json"), "cannot be read"),
        (DROPPED, "cannot be reached"),
        (HANGS, "in time"),
    ],
    ids=str,
)
def test_whatever_couchdb_answers_is_one_line_and_passes(
    proxy: Proxy, make_store: MakeStore, evaluator: Evaluator, answer: Answer | str, message: str
) -> None:
    store = make_store(timeout_seconds=patience_seconds(answer))
    store.use_definitions(evaluator)
    oracle = Oracle()
    oracle.add(batch(evaluator, some(3)))
    proxy.rule = lambda _: answer
    span = (hour("2026-11-01"), hour("2026-12-01"))

    for fails in (
        lambda: store.add(batch(evaluator, some(3)), NOW),
        lambda: list(store.total(*span)),
        store.stats,
    ):
        with pytest.raises(StoreError, match=message) as raised:
            fails()
        assert str(raised.value).isprintable()
    proxy.behave()

    store.add(batch(evaluator, some(3)), NOW)
    assert_holds(store, oracle, evaluator)


def test_an_error_inside_a_good_answer_is_an_error(
    proxy: Proxy, make_store: MakeStore, evaluator: Evaluator
) -> None:
    store = make_store()
    store.use_definitions(evaluator)
    store.add(batch(evaluator, some(3)), NOW)
    row = {"key": None, "value": {"error": "builtin_reduce_error", "reason": "not a number"}}
    proxy.rule = lambda request: (
        Answer(status=200, body=json.dumps({"rows": [row]}).encode())
        if "/_view/tallies" in request.path
        else None
    )

    with pytest.raises(StoreError, match="builtin_reduce_error"):
        list(store.total(hour("2026-11-01"), hour("2026-12-01")))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("timeout", "The request could not be processed in a reasonable amount of time."),
        ("os_process_error", "OS process timed out."),
    ],
)
def test_a_query_that_waits_too_long_for_its_index_is_asked_again(
    proxy: Proxy, make_store: MakeStore, evaluator: Evaluator, name: str, reason: str
) -> None:
    store = make_store()
    store.use_definitions(evaluator)
    store.add(batch(evaluator, some(3)), NOW)
    late = iter([True, False])
    proxy.rule = lambda request: (
        error(500, name, reason) if "/_view/held" in request.path and next(late, False) else None
    )

    assert store.stats().interactions == 3


# Who may do what


class Clock:
    """Seconds that pass when a test says so."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.mark.parametrize(
    "refusal",
    [
        error(401, "unauthorized", "Name or password is incorrect."),
        error(
            403,
            "forbidden",
            "Account is temporarily locked due to multiple authentication failures",
        ),
        Answer(status=401, body=b"<html>", kind="text/html"),
    ],
    ids=str,
)
def test_a_wrong_password_is_tried_once_and_again_after_a_pause(
    proxy: Proxy, make_store: MakeStore, evaluator: Evaluator, refusal: Answer
) -> None:
    clock = Clock()
    store = make_store(username="kpi", password="wrong ☃", monotonic=clock)
    proxy.rule = lambda _: refusal

    for _ in range(10):
        with pytest.raises(StoreError, match=r"refuses user kpi .*password_file"):
            store.use_definitions(evaluator)
    assert len(proxy.seen) == 1
    proxy.behave()
    clock.seconds = PAUSE_SECONDS + 1
    store.use_definitions(evaluator)

    assert store.stats().interactions == 0


def test_requests_under_way_when_a_password_changes_do_not_lock_the_address_out(
    proxy: Proxy, make_store: MakeStore, evaluator: Evaluator
) -> None:
    store = make_store(username="kpi", password="right")
    store.use_definitions(evaluator)
    before, too_many = len(proxy.seen), threading.Event()

    def refuse(_: Request) -> Answer:
        if len(proxy.seen) - before >= 5:
            too_many.set()
        too_many.wait(0.5)  # so that all that may be sent at once are
        return error(401, "unauthorized", "Name or password is incorrect.")

    proxy.rule = refuse

    def read() -> None:
        with suppress(StoreError):
            store.stats()

    readers = [threading.Thread(target=read) for _ in range(12)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()

    assert 1 <= len(proxy.seen) - before < 5


def test_a_password_that_was_corrected_is_used_at_once(
    proxy: Proxy, make_store: MakeStore, evaluator: Evaluator
) -> None:
    passwords = ["wrong"]
    store = make_store(
        username="kpi",
        password="wrong",
        monotonic=Clock(),
        password_again=lambda: passwords[-1],
    )
    proxy.rule = lambda _: error(401, "unauthorized", "Name or password is incorrect.")
    for _ in range(3):
        with pytest.raises(StoreError, match="is read again"):
            store.use_definitions(evaluator)
    refused = len(proxy.seen)
    proxy.behave()
    passwords.append("right")

    store.use_definitions(evaluator)

    assert refused == 1
    assert store.stats().interactions == 0


def test_a_user_who_may_not_create_is_told_what_an_administrator_has_to(
    proxy: Proxy, make_store: MakeStore, evaluator: Evaluator
) -> None:
    store = make_store(username="kpi", password="right")
    proxy.rule = lambda request: (
        error(401, "unauthorized", "You are not a server admin.")
        if request.method == "PUT" and "/" not in request.path[1:]
        else None
    )

    for _ in range(2):
        with pytest.raises(StoreError, match=r"curl -X PUT 'http.*-tallies\?q=1'") as raised:
            store.use_definitions(evaluator)
        assert "right" not in str(raised.value)
    asked = len(proxy.seen)

    assert asked > 1  # the password is good, so it may be asked again


def ordinary(request: Request) -> Answer | None:
    """Refuse what CouchDB refuses an administrator of databases who is none of the server."""
    is_database = request.path.partition("?")[0].count("/") == 1
    if request.method in {"PUT", "DELETE"} and is_database:
        return error(401, "unauthorized", "You are not a server admin.")
    return None


def test_a_user_who_may_not_create_imports_into_databases_that_are_there(
    proxy: Proxy, make_store: MakeStore, evaluator: Evaluator
) -> None:
    oracle = Oracle()
    make_store().use_definitions(evaluator)
    (tallies,) = {r.path.split("/")[1] for r in proxy.seen if "/definitions" in r.path}
    month = f"{proxy.upstream}/{tallies.removesuffix('tallies')}2026-11"
    requests.put(month, timeout=WAIT_SECONDS).raise_for_status()
    proxy.rule = ordinary
    store = make_store(username="kpi", password="right")
    store.use_definitions(evaluator)

    store.add(batch(evaluator, some(3)), NOW)

    oracle.add(batch(evaluator, some(3)))
    assert_holds(store, oracle, evaluator)


def test_a_user_who_may_not_delete_a_month_empties_it(
    proxy: Proxy, make_store: MakeStore, evaluator: Evaluator
) -> None:
    store = make_store()
    store.use_definitions(evaluator)
    old = [(f"old{id_}", raw) for id_, raw in some(3, first="2026-09-03")]
    store.add(batch(evaluator, [*old, *some(3)]), NOW)
    proxy.rule = ordinary

    dropped = [store.drop_before(hour("2026-11-01")) for _ in range(2)]

    assert dropped == [3, 0]
    assert (store.stats().interactions, store.stats().dropped) == (3, 3)
    (month,) = {r.path.split("/")[1] for r in proxy.seen if "-2026-09" in r.path}
    content = requests.get(f"{proxy.upstream}/{month}", timeout=WAIT_SECONDS).json()
    assert content["doc_count"] == 0
    oracle = Oracle()
    oracle.add(batch(evaluator, [*old, *some(3)]))
    again = make_store(username="kpi", password="right")
    again.use_definitions(evaluator)
    again.add(batch(evaluator, old), NOW)
    assert counted(again) == oracle.tally(evaluator)


@pytest.mark.parametrize("failing", ["DELETE", "_view/tallies"])
def test_a_drop_that_failed_half_way_is_finished_by_the_next(
    proxy: Proxy, make_store: MakeStore, evaluator: Evaluator, failing: str
) -> None:
    store = make_store()
    store.use_definitions(evaluator)
    store.add(batch(evaluator, [("old", blob("2026-09-03", SHOWN)), *some(3)]), NOW)

    def fail(request: Request) -> str | None:
        has_begun = any("/months" in r.path and r.method == "PUT" for r in proxy.seen[sent:])
        return DROPPED if has_begun and failing in f"{request.method} {request.path}" else None

    sent = len(proxy.seen)
    proxy.rule = fail
    with pytest.raises(StoreError):
        store.drop_before(hour("2026-11-01"))
    proxy.behave()
    store.drop_before(hour("2026-11-01"))

    oracle = Oracle()
    oracle.add(batch(evaluator, some(3)))
    assert_holds(store, oracle, evaluator)
    (month,) = {r.path.split("/")[1] for r in proxy.seen if "-2026-09" in r.path}
    assert requests.get(f"{proxy.upstream}/{month}", timeout=WAIT_SECONDS).status_code == 404


def test_passwords_are_in_no_message(proxy: Proxy, evaluator: Evaluator) -> None:
    url = re.sub("//", "//kpi:se%2Fcret@", proxy.url.replace("http", "couchdb", 1)) + "/kpi_x"
    store = CouchdbStore(url)
    proxy.rule = lambda _: error(500, "x", "y")

    with pytest.raises(StoreError) as raised:
        store.use_definitions(evaluator)

    assert "cret" not in str(raised.value)
    store.close()


def test_a_store_of_a_newer_version_is_left_alone(
    proxy: Proxy, make_store: MakeStore, evaluator: Evaluator
) -> None:
    make_store().use_definitions(evaluator)
    (tallies,) = {r.path.split("/")[1] for r in proxy.seen if "/definitions" in r.path}
    url = f"{proxy.upstream}/{tallies}/definitions"
    newer = requests.get(url, timeout=WAIT_SECONDS).json() | {"format": 99}
    requests.put(url, json=newer, timeout=WAIT_SECONDS).raise_for_status()

    with pytest.raises(StoreError, match="newer kpi-exporter"):
        make_store().use_definitions(evaluator)
