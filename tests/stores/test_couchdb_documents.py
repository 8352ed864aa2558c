"""What users see in CouchDB: names, documents, views."""

import json
import ssl
import threading
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

import msgspec
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.interaction import Reason, Rejected, StoredInteraction
from exporter.ports import AddResult, Store, StoreError
from exporter.ports import Batch as Rows
from exporter.stores.couchdb import CouchdbStore
from exporter.stores.couchdb.batches import BatchDocument, Contribution
from exporter.stores.couchdb.dedup_cache import GENERATION, DedupCache
from exporter.stores.couchdb.design import Views, design
from exporter.stores.couchdb.months import Months
from exporter.stores.couchdb.names import (
    database_prefix,
    decoded_id,
    document_id,
    encoded_id,
    end_of,
    month_of,
    start_of,
)
from exporter.stores.couchdb.parts import (
    MOST_RAW_BYTES,
    MOST_ROWS,
    parts_of,
    sum_of,
)
from exporter.stores.couchdb.rejections import Rejections
from exporter.stores.couchdb.server import Server
from exporter.stores.couchdb.sort_on_disk import by_timestamp
from exporter.stores.couchdb.transport import Transport
from exporter.stores.json_equal import same_meaning
from testing.waiting import WAIT_SECONDS
from tests.stores.oracle import counted
from tests.stores.places import Place, databases, documents
from tests.stores.rows import NOW, SHOWN, batch, blob, ms, some
from tests.web.certificates import a_certificate


@pytest.fixture
def store(couchdb: Place, evaluator: Evaluator) -> Store:
    store = couchdb.open()
    store.use_definitions(evaluator)
    return store


@pytest.fixture
def name(couchdb: Place) -> str:
    return couchdb.url.rsplit("/", 1)[1]


# Databases


def test_each_month_has_a_database_and_the_tallies_one(
    store: Store, evaluator: Evaluator, pouchdb_server: str, name: str
) -> None:
    rows = [("a", blob("2026-10-31T23:59", SHOWN)), ("b", blob("2026-11-01", SHOWN)), ("c", b"{}")]

    store.add(batch(evaluator, rows), NOW)

    found = [each.removeprefix(name) for each in databases(pouchdb_server, name)]
    assert found == ["-2026-10", "-2026-11", "-tallies", "-undated"]


def test_databases_of_interactions_have_no_view(
    store: Store, evaluator: Evaluator, pouchdb_server: str, name: str
) -> None:
    store.add(batch(evaluator, some(3)), NOW)

    every = requests.get(f"{pouchdb_server}/{name}-2026-11/_all_docs", timeout=WAIT_SECONDS).json()[
        "rows"
    ]

    assert [row["id"] for row in every] == [id_ for id_, _ in some(3)]


def test_a_month_is_created_again_if_someone_deletes_it(
    store: Store, evaluator: Evaluator, pouchdb_server: str, name: str
) -> None:
    store.add(batch(evaluator, some(3)), NOW)
    requests.delete(f"{pouchdb_server}/{name}-2026-11", timeout=WAIT_SECONDS).raise_for_status()

    added = store.add(batch(evaluator, [("new", blob("2026-11-03", SHOWN))]), NOW)

    assert added.imported == 1
    assert [row.id for row in store.interactions(0, 1 << 42)] == ["new"]


@pytest.mark.parametrize(
    ("wanted", "spelling"),
    [
        ("kpi", "kpi"),
        ("kpi-test_2", "kpi-test_2"),
        ("KPI", "db$$$4b$50$49"),
        ("my kpi/é$", "my$20kpi$2f$c3$a9$24"),
        ("2026", "db$$2026"),
        ("_users", "db$$_users"),
    ],
)
def test_a_prefix_is_spelt_as_couchdb_takes_it(wanted: str, spelling: str) -> None:
    assert database_prefix(wanted) == spelling


@given(st.text(max_size=20), st.text(max_size=20))
def test_different_prefixes_stay_different(one: str, other: str) -> None:
    assert (database_prefix(one) == database_prefix(other)) == (one == other)


def test_a_prefix_may_not_be_endless() -> None:
    with pytest.raises(ValueError, match="too long"):
        database_prefix("k" * 201)


@given(st.integers(ms("2000-01-01"), ms("2200-01-01")))
def test_a_month_holds_what_lies_between_its_bounds(at_ms: int) -> None:
    month = month_of(at_ms)

    assert start_of(month) <= at_ms // 3_600_000 < end_of(month)


# Documents


def test_a_blob_stands_under_one_key_as_it_came(
    store: Store, evaluator: Evaluator, pouchdb_server: str, name: str
) -> None:
    raw = blob("2026-11-03", SHOWN, _id="x", _rev="1-x", _deleted=True, batch="y", at=3)
    store.add(batch(evaluator, [("a", raw), ("e", blob("2026-11-03"))]), NOW)

    held, empty = documents(pouchdb_server, f"{name}-2026-11")

    assert held["_id"] == "a"
    assert held["at"] == ms("2026-11-03")
    assert held["blob"] == json.loads(raw)
    assert held["batch"] == empty["batch"]
    assert (empty["_id"], empty["ignored"]) == ("e", True)
    assert "blob" not in empty


def test_what_a_row_replaced_stays_in_its_document(
    store: Store, evaluator: Evaluator, pouchdb_server: str, name: str
) -> None:
    contents = [blob("2026-11-03", SHOWN, lang=lang) for lang in ("a", "b", "c", "d")]
    for raw in contents:
        store.add(batch(evaluator, [("a", raw)]), NOW)

    (held,) = documents(pouchdb_server, f"{name}-2026-11")

    assert held["blob"] == json.loads(contents[3])
    before = held["before"]
    assert isinstance(before, list)  # one is enough: older ones are counted for certain
    assert [version["blob"] for version in before] == [json.loads(contents[2])]


def test_a_finished_batch_keeps_no_ids(
    store: Store, evaluator: Evaluator, pouchdb_server: str, name: str
) -> None:
    store.add(batch(evaluator, some(3)), NOW)
    store.add(batch(evaluator, some(3)), NOW)

    held = [d for d in documents(pouchdb_server, f"{name}-tallies") if d["_id"] != "months"]

    batches = [doc for doc in held if str(doc["_id"]).startswith("batch:")]
    assert len(batches) == 1
    assert batches[0]["held"] == {"2026-11": [3, 0]}
    assert "open" not in batches[0]


def test_rows_that_are_too_many_for_a_batch_make_several(evaluator: Evaluator) -> None:
    rows = batch(evaluator, [*some(5), ("e", b"{}"), ("r", b"?")])
    many = replace(rows, interactions=[*rows.interactions] * 5_000)

    parts = list(parts_of(many, evaluator.layout))

    assert [len(part.interactions) for part in parts] == [MOST_ROWS, MOST_ROWS, 5_000]
    assert [len(part.ignored) + len(part.rejected) for part in parts] == [2, 0, 0]
    assert list(parts_of(Rows(), evaluator.layout)) == [Rows()]
    one = AddResult(imported=1, duplicate=2, ignored=3, rejected=4, timestamps_ms=[6])
    other = AddResult(imported=10, duplicate=20, ignored=30, rejected=40, timestamps_ms=[60, 61])
    both = sum_of([one, other])
    assert [*both.counts.values()] == [11, 22, 33, 44]
    assert both.timestamps_ms == [6, 60, 61]


LARGEST_DOCUMENT = 8_000_000  # bytes


def test_no_document_of_a_batch_is_larger_than_couchdb_takes(evaluator: Evaluator) -> None:
    """10,000 ids of 498 letters, in as many hours, while definitions change."""
    long_ids = [(f"é{'x' * 491}{n:06}", raw) for n, (_, raw) in enumerate(some(10_000))]
    rows = batch(evaluator, [(id_, raw) for id_, raw in long_ids])
    spread = [
        msgspec.structs.replace(row, timestamp_ms=row.timestamp_ms + n * 3_600_000)
        for n, row in enumerate(rows.interactions)
    ]
    for interactions in (rows.interactions, spread):
        for part in parts_of(replace(rows, interactions=interactions), evaluator.layout):
            ids = [document_id(row.id) for row in part.interactions]
            replaces = {"2026-11": dict.fromkeys(ids, f"9-{'0' * 32}")}
            open_document = BatchDocument(opened=1, open={"2026-11": ids}, replaces=replaces)
            contribution = Contribution()
            contribution.take_fresh("2026-11", part.interactions)
            closed = contribution.document(open_document, {1: evaluator, 2: evaluator})
            for document in (open_document, closed):
                assert len(msgspec.json.encode(document)) < LARGEST_DOCUMENT


def test_content_of_a_batch_is_bounded(evaluator: Evaluator) -> None:
    large = blob("2026-11-03", SHOWN, text="x" * 1_000_000)
    rows = batch(evaluator, [(f"row{n}", large) for n in range(40)])

    parts = list(parts_of(rows, evaluator.layout))

    assert sum(len(part.interactions) for part in parts) == 40
    assert max(sum(len(i.raw) for i in part.interactions) for part in parts) <= MOST_RAW_BYTES


def test_documents_of_any_size_are_read_in_portions(store: Store, evaluator: Evaluator) -> None:
    large = blob("2026-11-03", SHOWN, text="x" * 1_000_000)
    rows = [(f"row{n:03}", large) for n in range(60)]
    store.add(batch(evaluator, rows), NOW)

    assert [row.id for row in store.interactions(0, 1 << 60)] == [id_ for id_, _ in rows]


def test_rows_sorted_by_timestamp_are_in_memory_one_at_a_time() -> None:
    rows = ([StoredInteraction(f"id{n}", -n, bytes(1 << 20))] for n in range(30))
    tracemalloc.start()

    ids = [row.id for row in by_timestamp(rows)]

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert ids == [f"id{n}" for n in reversed(range(30))]
    assert peak < 8 << 20


@given(st.text(st.characters(exclude_categories=()), max_size=600))
def test_a_mapped_id_can_be_read_back(id_: str) -> None:
    mapped = document_id(id_)

    assert mapped == id_ or decoded_id(encoded_id(id_)) == id_
    assert mapped
    assert not mapped.startswith("_")
    assert len(mapped) <= 500
    assert mapped.isprintable()


def test_mapped_ids_do_not_meet_others() -> None:
    mapped = document_id("_x")

    assert document_id(mapped) != mapped
    assert document_id("") != document_id("_")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (b'{"a": 1, "b": [1, 2]}', b'{"b":[1,2],"a":1}', True),
        (b'{"a": 1}', b'{"a": 1.0}', True),
        (b'{"a": 1e2}', b'{"a": 100}', True),
        (b'{"a": 12345678901234567890}', b'{"a": 12345678901234567000}', True),
        (rb'{"a": "\u00e9"}', '{"a": "é"}'.encode(), True),
        (b'{"a": 1}', b'{"a": true}', False),
        (b'{"a": 0}', b'{"a": false}', False),
        (b'{"a": null}', b"{}", False),
        (b'{"a": [1, 2]}', b'{"a": [2, 1]}', False),
        (b'{"a": "1"}', b'{"a": 1}', False),
        (b'{"a": {}}', b'{"a": []}', False),
        (b'{"a": [1]}', b'{"a": [1, 1]}', False),
    ],
)
def test_spelling_is_no_change_of_meaning(one: bytes, other: bytes, *, same: bool) -> None:
    assert same_meaning(one, other) is same


def test_a_row_that_comes_in_another_spelling_is_a_duplicate(
    couchdb: Place, store: Store, evaluator: Evaluator
) -> None:
    raw = blob("2026-11-03", SHOWN, n=1.0, big=12345678901234567890, text="é")
    store.add(batch(evaluator, [("a", raw)]), NOW)
    reopened = couchdb.open()
    reopened.use_definitions(evaluator)
    respelt = json.dumps(json.loads(raw), sort_keys=True, ensure_ascii=False).encode()

    added = reopened.add(batch(evaluator, [("a", respelt)]), NOW)

    assert (added.imported, added.duplicate) == (0, 1)


def test_what_is_seen_held_is_forgotten_at_some_time() -> None:
    seen = DedupCache()
    seen.see([("a", b"1")])

    assert seen.knows("a", b"1")
    assert not seen.knows("a", b"2")
    seen.see((str(n), b"") for n in range(3 * GENERATION))
    assert not seen.knows("a", b"1")


def test_of_rejected_rows_the_newest_keep_their_content(pouchdb_server: str, name: str) -> None:
    address = pouchdb_server.replace("http", "couchdb", 1)
    user = urlsplit(pouchdb_server)
    server = Server(address, Transport(), username=user.username, password=user.password)
    tallies = server.database(f"{name}-tallies")
    tallies.create()
    views = Views(tallies)
    views.deploy()
    rejections = Rejections(tallies, Months(server, name, tallies), views, kept=3)
    rows = [Rejected(f"r{n}", b"?" * n, Reason.NOT_JSON, "why") for n in range(5)]

    for row in rows:
        rejections.add([row], now_ms=1_000)
    rejections.add(rows, now_ms=2_000)

    assert [row.id for row in rejections.newest(10)] == ["r4", "r3", "r2"]
    assert views.rows("held")[0].value == [5]
    server.close()


def test_a_rejected_row_too_large_for_a_document_is_kept_in_part(
    store: Store, evaluator: Evaluator
) -> None:
    noise = Random(1).randbytes(5 * 1024 * 1024)
    store.add(batch(evaluator, [("a", noise)]), NOW)

    (kept,) = store.rejected(1)

    assert kept.raw == noise[: 1024 * 1024]
    assert "the first 1,048,576 of 5,242,880 bytes are kept" in kept.detail


# Views


def test_a_restart_writes_no_design_document(
    couchdb: Place, store: Store, pouchdb_server: str, name: str
) -> None:
    store.stats()
    path = f"{pouchdb_server}/{name}-tallies/_design/{design()[0]}"
    before = requests.get(path, timeout=WAIT_SECONDS).json()["_rev"]

    couchdb.open().stats()

    assert before.startswith("1-")
    assert requests.get(path, timeout=WAIT_SECONDS).json()["_rev"] == before


def test_views_of_an_older_version_are_removed_once_the_new_ones_are_built(
    couchdb: Place, evaluator: Evaluator, pouchdb_server: str, name: str
) -> None:
    database = f"{pouchdb_server}/{name}-tallies"
    requests.put(database, timeout=WAIT_SECONDS)
    for each in ("kpi-000000000000", "someone-elses"):
        requests.put(f"{database}/_design/{each}", json={"views": {}}, timeout=WAIT_SECONDS)

    store = couchdb.open()
    store.use_definitions(evaluator)

    span = "startkey=%22_design/%22&endkey=%22_design0%22"
    left = requests.get(f"{database}/_all_docs?{span}", timeout=WAIT_SECONDS).json()["rows"]
    assert {row["id"] for row in left} == {f"_design/{design()[0]}", "_design/someone-elses"}


def test_views_that_another_version_removed_are_deployed_again(
    store: Store, evaluator: Evaluator, pouchdb_server: str, name: str
) -> None:
    store.add(batch(evaluator, some(3)), NOW)
    path = f"{pouchdb_server}/{name}-tallies/_design/{design()[0]}"
    rev = requests.get(path, timeout=WAIT_SECONDS).json()["_rev"]
    requests.delete(f"{path}?rev={rev}", timeout=WAIT_SECONDS).raise_for_status()

    assert counted(store)


def test_counts_of_old_definitions_are_removed_in_time(
    store: Store,
    evaluator: Evaluator,
    other_evaluator: Evaluator,
    pouchdb_server: str,
    name: str,
) -> None:
    store.add(batch(evaluator, some(3)), NOW)
    store.use_definitions(evaluator, other_evaluator)
    store.add(batch(evaluator, [("new", blob("2026-11-03", SHOWN))]), NOW)
    while not store.rebuild().finished:
        pass
    store.activate()
    before = counted(store)

    store.drop_before(0)

    assert counted(store) == before != {}
    held = documents(pouchdb_server, f"{name}-tallies")
    (generation,) = {key for doc in held for key in doc.get("tallies", {})}  # type: ignore[attr-defined]
    assert generation != "1"
    assert store.stats().interactions == 4


# TLS


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A server with a certificate of its own authority: its port, the authority's file."""
    authority = a_certificate("authority", authority=True)
    ca_file, _ = authority.write(tmp_path, "authority")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*a_certificate("127.0.0.1", issuer=authority).write(tmp_path, "server"))

    class Refusing(BaseHTTPRequestHandler):
        def refuse(self) -> None:
            body = b'{"error": "unauthorized", "reason": "You are not a server admin."}'
            self.send_response(401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = refuse  # noqa: N815 -- their names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign] # refused on purpose
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server.server_address[1], Path(ca_file)
    server.shutdown()
    server.server_close()
    thread.join()


def test_tls_trusts_the_authority_of_the_configuration_alone(secure: tuple[int, Path]) -> None:
    port, ca_file = secure
    trusting = CouchdbStore(
        f"couchdbs://127.0.0.1:{port}/kpi", transport=Transport(ca_file=ca_file)
    )
    other = CouchdbStore(f"couchdbs://127.0.0.1:{port}/kpi")

    with pytest.raises(StoreError, match="You are not a server admin"):
        trusting.active_definitions()
    with pytest.raises(StoreError, match=r"certificate.*store\.ca_file"):
        other.active_definitions()
    trusting.close()
    other.close()
