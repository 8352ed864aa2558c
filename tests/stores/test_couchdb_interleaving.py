"""Two exporters on one CouchDB: whatever one does between two requests of the other."""

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from uuid import uuid4

import pytest
import requests

from exporter.domain.classify.evaluator import Evaluator
from exporter.ports import Batch, StoreError
from exporter.stores.couchdb import CouchdbStore
from testing.waiting import WAIT_SECONDS
from tests.stores.oracle import Oracle, assert_holds, counted
from tests.stores.places import Place, couchdb_place
from tests.stores.proxy import DROPPED, LOST, Proxy, Request, proxied
from tests.stores.rows import ENGAGED, NOW, SHOWN, SIGNED_IN, batch, blob, some

each_state_of_a_rebuild = pytest.mark.parametrize(
    "portions",
    [
        pytest.param(0, marks=pytest.mark.slow, id="declared"),
        pytest.param(1, id="begun"),
        pytest.param(9, marks=pytest.mark.slow, id="rebuilt"),
    ],
)
HELD = [*some(6), ("october", blob("2026-10-20", SHOWN))]


@pytest.fixture
def proxy(pouchdb_server: str) -> Iterator[Proxy]:
    with proxied(pouchdb_server) as proxy:
        yield proxy


@pytest.fixture
def place(proxy: Proxy) -> Iterator[Place]:
    """Where the other exporter works; the one under test goes through the proxy."""
    place = couchdb_place(proxy.upstream, f"kpi_test_{uuid4().hex[:12]}")
    yield place
    place.leave()


def through(proxy: Proxy, place: Place) -> CouchdbStore:
    name = place.url.rsplit("/", 1)[1]
    store = CouchdbStore(f"couchdb{proxy.url.removeprefix('http')}/{name}")
    place.opened.append(store)
    return store


def raw_rows(step: int) -> list[tuple[str, bytes]]:
    """One row that is new, one held, one to be ignored, and two that have changed."""
    return [
        (f"new{step}", blob("2026-11-05", SHOWN)),
        HELD[0],
        (f"empty{step}", blob("2026-11-05")),
        (HELD[1][0], blob("2026-11-05", SHOWN, ENGAGED, number_sites_signed_in=step)),
        (HELD[2][0], blob("2026-11-06", SHOWN, ENGAGED, SIGNED_IN, number_sites_signed_in=step)),
    ]


def rows(evaluator: Evaluator, step: int) -> Batch:
    return batch(evaluator, raw_rows(step))


def before_each_request(
    proxy: Proxy, place: Place, evaluator: Evaluator, meddle: Callable[[int], None]
) -> Iterator[int]:
    """Run one import for each request that it makes, with `meddle` called just before that."""
    one = through(proxy, place)
    one.use_definitions(evaluator)
    one.add(batch(evaluator, HELD), NOW)
    for step in count():
        meddled: list[int] = []
        proxy.rule = _meddling(meddle, step, len(proxy.seen) + step, meddled)
        one.add(rows(evaluator, step), NOW)
        proxy.behave()
        if not meddled:
            assert step > 7
            return
        yield step


def _meddling(
    meddle: Callable[[int], None], step: int, at: int, meddled: list[int]
) -> Callable[[Request], None]:
    def rule(request: Request) -> None:
        if request.number == at:
            meddled.append(step)
            meddle(step)

    return rule


def test_an_import_is_taken_for_abandoned_while_it_runs(
    proxy: Proxy, place: Place, evaluator: Evaluator
) -> None:
    oracle = Oracle()
    oracle.add(batch(evaluator, HELD))
    other = place.open()

    for step in before_each_request(
        proxy, place, evaluator, lambda _: other.use_definitions(evaluator)
    ):
        oracle.add(rows(evaluator, step))
        assert_holds(other, oracle, evaluator)


@pytest.mark.parametrize("later", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_process_is_killed_just_after_its_import_was_taken_for_abandoned(
    proxy: Proxy, place: Place, evaluator: Evaluator, later: int
) -> None:
    oracle = Oracle()
    oracle.add(batch(evaluator, HELD))
    other, last = place.open(), place.open()
    other.use_definitions(evaluator)
    other.add(batch(evaluator, HELD), NOW)

    def meddle() -> None:
        other.use_definitions(evaluator)

    for step in before_each_kill(proxy, place, [evaluator], meddle, later):
        oracle.add(rows(evaluator, step))
        other.add(rows(evaluator, step), NOW)
        last.use_definitions(evaluator)
        assert_holds(last, oracle, evaluator)


@pytest.mark.parametrize("later", [0, pytest.param(1, marks=pytest.mark.slow)])
@each_state_of_a_rebuild
def test_a_process_is_killed_just_after_definitions_changed(
    proxy: Proxy,
    place: Place,
    evaluator: Evaluator,
    other_evaluator: Evaluator,
    portions: int,
    later: int,
) -> None:
    oracle = Oracle()
    oracle.add(batch(evaluator, HELD))
    other = place.open()
    other.use_definitions(evaluator)
    other.add(batch(evaluator, HELD), NOW)
    before, after = evaluator, other_evaluator

    def meddle() -> None:
        other.use_definitions(before, after)
        for _ in range(portions):
            other.rebuild()

    for step in before_each_kill(proxy, place, [before, after], meddle, later):
        oracle.add(rows(evaluator, step))
        other.use_definitions(before, after)
        while not other.rebuild().finished:
            pass
        other.add(batch(before, raw_rows(step)), NOW)
        other.activate()
        assert_holds(other, oracle, after)
        before, after = after, before


def before_each_kill(
    proxy: Proxy,
    place: Place,
    evaluators: Sequence[Evaluator],
    meddle: Callable[[], None],
    later: int,
) -> Iterator[int]:
    """Kill an import after each request that it makes, and meddle just before, or one earlier."""
    for step in count():
        one = through(proxy, place)
        active = one.active_definitions()
        (evaluator,) = (c for c in evaluators if c.definitions.to_json() == active)
        one.use_definitions(evaluator)
        proxy.rule = _killed(len(proxy.seen) + step, meddle, later)
        try:
            one.add(rows(evaluator, step), NOW)
        except StoreError:
            proxy.behave()
            yield step
        else:
            assert step > 8
            return


def _killed(at: int, meddle: Callable[[], None], later: int) -> Callable[[Request], str | None]:
    """Let a process send one more request, after something else happened, and nothing then."""

    def rule(request: Request) -> str | None:
        if request.number == at:
            meddle()
        if request.number < at + later:
            return None
        return LOST if request.number == at + later else DROPPED

    return rule


@pytest.mark.slow  # test_couchdb_cluster: of the same rows added at once each counts once
def test_both_import_the_same(proxy: Proxy, place: Place, evaluator: Evaluator) -> None:
    oracle = Oracle()
    oracle.add(batch(evaluator, HELD))
    other = place.open()
    other.use_definitions(evaluator)

    def meddle(step: int) -> None:
        other.add(rows(evaluator, step), NOW)

    for step in before_each_request(proxy, place, evaluator, meddle):
        oracle.add(rows(evaluator, step))
        assert_holds(other, oracle, evaluator)


@pytest.mark.slow  # test_couchdb_cluster: others work between its requests
def test_both_import_other_contents_of_the_same_rows(
    proxy: Proxy, place: Place, evaluator: Evaluator
) -> None:
    other = place.open()
    other.use_definitions(evaluator)

    def meddle(step: int) -> None:
        other.add(rows(evaluator, step + 100), NOW)

    for _ in before_each_request(proxy, place, evaluator, meddle):
        oracle = Oracle()  # who was the last to write is open; that it is counted is not
        for stored in other.interactions(0, 1 << 42):
            oracle.interactions[stored.id] = stored
        ignored = other.stats().ignored
        oracle.ignored = {str(n) for n in range(ignored)}
        assert_holds(other, oracle, evaluator)


@each_state_of_a_rebuild
def test_definitions_change_during_an_import(
    proxy: Proxy, place: Place, evaluator: Evaluator, other_evaluator: Evaluator, portions: int
) -> None:
    oracle = Oracle()
    oracle.add(batch(evaluator, HELD))
    other = place.open()
    before, after = evaluator, other_evaluator

    def meddle(_: int) -> None:
        other.use_definitions(before, after)
        for _ in range(portions):
            other.rebuild()

    for step in before_each_request(proxy, place, evaluator, meddle):
        oracle.add(rows(evaluator, step))
        while not other.rebuild().finished:
            pass
        assert counted(other) == oracle.tally(before)
        other.activate()
        assert_holds(other, oracle, after)
        before, after = after, before


def test_an_exporter_with_other_definitions_is_told_so(
    place: Place, evaluator: Evaluator, other_evaluator: Evaluator
) -> None:
    one, other = place.open(), place.open()
    one.use_definitions(evaluator)
    other.use_definitions(evaluator, other_evaluator)
    while not other.rebuild().finished:
        pass
    other.activate()

    with pytest.raises(StoreError, match="another exporter has changed the definitions"):
        list(one.total(0, 1))
    assert one.add(batch(evaluator, HELD), NOW).imported == 7
    oracle = Oracle()
    oracle.add(batch(evaluator, HELD))
    assert_holds(other, oracle, other_evaluator)


@pytest.mark.parametrize("already", [0, 2, 4])
def test_a_write_that_arrives_after_its_recovery_is_counted(
    proxy: Proxy, place: Place, evaluator: Evaluator, already: int
) -> None:
    """The writer is killed, but its request is still on its way, or the server at work on it."""
    one, other = through(proxy, place), place.open()
    one.use_definitions(evaluator)
    kept: list[Request] = []

    def keep(request: Request) -> str | None:
        if request.is_bulk:
            kept.append(request)
            return DROPPED
        return None

    proxy.rule = keep
    with pytest.raises(StoreError):
        one.add(batch(evaluator, some(6)), NOW)
    (sent,) = kept
    url = proxy.upstream + sent.path
    documents = json.loads(sent.body)["docs"]

    requests.post(url, json={"docs": documents[:already]}, timeout=WAIT_SECONDS).raise_for_status()
    other.use_definitions(evaluator)
    requests.post(url, json={"docs": documents[already:]}, timeout=WAIT_SECONDS).raise_for_status()
    added = other.add(batch(evaluator, some(6)), NOW)

    oracle = Oracle()
    oracle.add(batch(evaluator, some(6)))
    last = place.open()
    last.use_definitions(evaluator)
    assert added.duplicate == 6
    assert_holds(last, oracle, evaluator)
