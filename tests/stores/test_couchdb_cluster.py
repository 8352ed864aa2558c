"""Several exporters on a cluster whose nodes each accept what others have not heard of yet."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from exporter.config import load
from exporter.domain.classify.evaluator import Evaluator
from exporter.ingest.definitions import use_definitions
from exporter.ports import Batch, StoreError
from exporter.stores.couchdb import CouchdbStore
from exporter.stores.couchdb.holdings import Holdings
from tests.stores.cluster import NODES, Cluster, ClusterTransport, Cut
from tests.stores.oracle import ALL_TIME, Oracle, counted
from tests.stores.rows import ENGAGED, NOW, SHOWN, batch, blob

EVALUATOR = Evaluator(load("data_server: {url: 'http://127.0.0.1:3435/'}", {}).definitions)
OTHER = Evaluator(
    replace(
        EVALUATOR.definitions,
        segmentations=tuple(reversed(EVALUATOR.definitions.segmentations[2:5])),
    )
)
ROWS = 2
LOOKS = 4


@pytest.fixture(autouse=True, scope="module")
def nothing_else_makes_it_right() -> Iterator[None]:
    """Leave out the comparison of counts with documents, after which all would be rebuilt."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Holdings, "surplus", lambda _: {})
        yield


def content(row: int, version: int) -> tuple[str, bytes]:
    """A row; its version 0 has no event, so that it is ignored."""
    events = (SHOWN, ENGAGED)[: min(version, 2)]
    return f"row{row}", blob("2026-11-05", *events, number_sites_signed_in=version)


class Exporter:
    """A process that imports through one node."""

    def __init__(self, cluster: Cluster, node: int, wanted: Evaluator = EVALUATOR) -> None:
        self.node = node
        self.transport: ClusterTransport = cluster.transport(node)
        self.store = CouchdbStore("couchdb://cluster/kpi", transport=self.transport)
        use_definitions(self.store, wanted.definitions)


def assert_counted_once(cluster: Cluster, evaluator: Evaluator = EVALUATOR) -> None:
    assert cluster.conflicts() == []
    for node in range(NODES):
        store = Exporter(cluster, node, evaluator).store
        oracle = Oracle()
        for stored in store.interactions(*ALL_TIME):
            oracle.interactions[stored.id] = stored
        oracle.ignored = {row.id for row in store.ignored()}
        stats = store.stats()
        assert counted(store) == oracle.tally(evaluator)
        assert (stats.interactions, stats.ignored) == (
            len(oracle.interactions),
            len(oracle.ignored),
        )


def heal_and_look(cluster: Cluster, minutes: int, wanted: Evaluator = EVALUATOR) -> None:
    """Let the nodes find each other, and some exporters look, long after everything."""
    cluster.heal()
    cluster.replicate()
    wanted_json = wanted.definitions.to_json()
    for look in range(LOOKS):
        minutes += 30 * 60  # past the day after which an abandoned batch is closed
        exporter = Exporter(cluster, look % NODES, wanted)
        exporter.store.add(Batch(), NOW + timedelta(minutes=minutes))
        exporter.store.settle()
        cluster.replicate()
        if exporter.store.must_rebuild() or exporter.store.active_definitions() != wanted_json:
            rebuild(exporter.store)
        cluster.replicate()


def rebuild(store: CouchdbStore) -> None:
    while not store.rebuild().finished:
        pass
    store.activate()


def changed(cluster: Cluster, exporter: Exporter, times: int) -> None:
    """Change a row again and again."""
    for n in range(times):
        exporter.store.add(batch(EVALUATOR, [content(0, 1 + n)]), NOW)
        cluster.replicate()


def test_a_row_that_changed_more_often_than_it_remembers_while_nodes_were_apart() -> None:
    for seed in range(2):
        cluster = Cluster(Random(seed))
        exporters = [Exporter(cluster, n) for n in range(2)]
        changed(cluster, exporters[0], 1)
        cluster.tear(1)
        for exporter, times in zip(exporters, (14, 11), strict=True):
            changed(cluster, exporter, times)

        heal_and_look(cluster, 0)

        assert_counted_once(cluster)


def test_two_who_rebuild_apart_from_each_other_count_each_row_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("exporter.stores.couchdb.rebuild.PORTION", 3)
    monkeypatch.setattr("exporter.stores.couchdb.rebuild.WRITTEN_AFTER", 6)
    for seed in range(3):
        cluster = Cluster(Random(seed))
        exporters = [Exporter(cluster, n) for n in range(2)]
        rows = [content(n, 1) for n in range(20)]
        exporters[0].store.add(batch(EVALUATOR, rows[:10]), NOW)
        cluster.replicate()
        for exporter in exporters:
            exporter.store.use_definitions(EVALUATOR, OTHER)
            cluster.replicate()
        cluster.tear(1)
        for exporter, more in zip(exporters, (rows[10:15], rows[13:]), strict=True):
            exporter.store.add(batch(EVALUATOR, more), NOW)
            if seed % 2 or exporter is exporters[0]:
                while not exporter.store.rebuild().finished:
                    cluster.replicate()
            else:
                for _ in range(3):
                    exporter.store.rebuild()
        for exporter in exporters[: seed % 3]:
            with suppress(StoreError):
                exporter.store.activate()

        heal_and_look(cluster, 0, OTHER)

        assert_counted_once(cluster, OTHER)


def add(exporter: Exporter, *rows: tuple[int, int], minutes: int = 0) -> None:
    """Import rows (number, version), so many minutes later."""
    judged = batch(EVALUATOR, [content(*row) for row in rows])
    exporter.store.add(judged, NOW + timedelta(minutes=minutes))


def test_a_write_that_arrives_after_its_batch_was_closed_without_it_counts_once() -> None:
    for at in (8, 9):  # the request that writes the rows among them
        for version in (1, 2):  # so that either of the two stays
            cluster = Cluster(Random(at))
            killed, other = Exporter(cluster, 0), Exporter(cluster, 1)
            first = killed.transport.number

            def kill(
                number: int,
                arrive: Callable[[], object],
                at: int = first + at,
                cluster: Cluster = cluster,
            ) -> None:
                if number == at:
                    cluster.late.append(arrive)
                if number >= at:
                    raise Cut("killed")

            killed.transport.at_request = kill
            with suppress(Cut):
                add(killed, (0, version), (1, version))
            add(other, (0, 3 - version), minutes=5)
            add(other, (1, 3 - version), minutes=30)  # takes the batch of the killed for abandoned
            add(other, minutes=60)
            cluster.replicate()

            heal_and_look(cluster, 60)

            assert_counted_once(cluster)


def test_a_revision_that_was_given_up_stays_so_though_it_grew_on_another_node() -> None:
    for seed in range(4):
        cluster = Cluster(Random(seed))
        one, other = Exporter(cluster, 0), Exporter(cluster, 1)
        cluster.replicate()
        cluster.tear(1)
        add(one, (0, 1 + seed % 2))
        add(other, (0, 2 - seed % 2))
        cluster.heal()
        for name in cluster.databases:  # nothing comes back to node 1
            cluster.replicate_one(name, 1, 0)
            cluster.replicate_one(name, 1, 2)
        cluster.tear(1)
        one.store.settle()
        add(other, (0, 3))
        cluster.replicate()

        heal_and_look(cluster, 0)

        assert_counted_once(cluster)


def test_two_who_settle_the_same_conflict_apart_from_each_other_take_it_back_once() -> None:
    for seed in range(2):
        cluster = Cluster(Random(seed))
        exporters = [Exporter(cluster, n) for n in range(2)]
        cluster.replicate()
        cluster.tear(1)
        for n, exporter in enumerate(exporters):
            add(exporter, (0, 1 + n), (1, 1 + n))
        cluster.heal()
        cluster.replicate()
        cluster.tear(1)
        for exporter in exporters:
            exporter.store.settle()
            cluster.replicate()

        heal_and_look(cluster, 0)

        assert_counted_once(cluster)


def test_of_the_same_rows_added_at_once_each_counts_once() -> None:
    for at in range(30):
        cluster = Cluster(Random(at))
        one, other = Exporter(cluster, 0), Exporter(cluster, 1)
        rows = batch(EVALUATOR, [content(n, 1 + n % 2) for n in range(ROWS)])

        def meddle(
            number: int,
            _: object,
            at: int = one.transport.number + at,
            other: Exporter = other,
            rows: Batch = rows,
        ) -> None:
            if number == at:
                other.store.add(rows, NOW)

        one.transport.at_request = meddle
        one.store.add(rows, NOW)
        one.transport.at_request = lambda *_: None

        heal_and_look(cluster, 0)

        assert_counted_once(cluster)
        assert other.store.stats().interactions == ROWS


class TornCluster(RuleBasedStateMachine):
    """Exporters add, replace, are killed and look, while nodes are cut off and come back."""

    @initialize(seed=st.integers(0, 1_000))
    def begin(self, seed: int) -> None:
        self.cluster = Cluster(Random(seed))
        self.minutes = 0
        Exporter(self.cluster, 0)
        self.cluster.replicate()
        self.exporters = [Exporter(self.cluster, n % NODES) for n in range(3)]

    some_rows = st.lists(
        st.tuples(st.integers(0, ROWS - 1), st.integers(0, 3)), min_size=1, max_size=2
    )
    one_of_them = st.integers(0, 2)
    works = st.sampled_from(["adds", "adds", "looks", "recovers"])
    requests = st.integers(0, 13)

    def work(self, exporter: int, work: str, rows: list[tuple[int, int]]) -> None:
        """Do what exporters do: import, look for conflicts, count what others left."""
        store = self.exporters[exporter].store
        if work == "looks":
            store.settle()
            return
        now = NOW + timedelta(minutes=self.minutes)
        if work == "recovers":
            self.exporters[exporter] = Exporter(self.cluster, self.exporters[exporter].node)
            self.exporters[exporter].store.add(Batch(), now)
            return
        store.add(batch(EVALUATOR, [content(*row) for row in dict(rows).items()]), now)

    @rule(exporter=one_of_them, work=works, rows=some_rows)
    def one_works(self, exporter: int, work: str, rows: list[tuple[int, int]]) -> None:
        self.work(exporter, work, rows)

    @rule(
        exporter=one_of_them,
        rows=some_rows,
        work=works,
        others=some_rows,
        at=requests,
        later=st.integers(0, 20),
    )
    def others_work_between_its_requests(
        self,
        exporter: int,
        rows: list[tuple[int, int]],
        work: str,
        others: list[tuple[int, int]],
        at: int,
        later: int,
    ) -> None:
        transport = self.exporters[exporter].transport
        first = transport.number

        def meddle(number: int, _: object) -> None:
            if number == first + at:
                self.work((exporter + 1) % 3, "adds", others)
                self.minutes += later
            if number == first + at + 2:
                self.work((exporter + 2) % 3, work, others)

        transport.at_request = meddle
        self.work(exporter, "adds", rows)
        transport.at_request = lambda *_: None

    @rule(
        exporter=one_of_them,
        rows=some_rows,
        at=requests,
        how=st.sampled_from(["lost", "dropped", "late"]),
        work=works,
    )
    def one_is_killed(
        self, exporter: int, rows: list[tuple[int, int]], at: int, how: str, work: str
    ) -> None:
        transport = self.exporters[exporter].transport
        first = transport.number

        def kill(number: int, arrive: Callable[[], object]) -> None:
            if number == first + at and how == "lost":
                arrive()
            if number == first + at and how == "late":
                self.cluster.late.append(arrive)
            if number >= first + at:
                raise Cut("killed")

        transport.at_request = kill
        with suppress(StoreError):
            self.work(exporter, work, rows)
        self.exporters[exporter] = Exporter(self.cluster, (exporter + 1) % NODES)

    @rule()
    def nodes_replicate(self) -> None:
        self.cluster.replicate()

    @rule(
        name=st.sampled_from(["kpi-tallies", "kpi-2026-11"]),
        source=st.integers(0, NODES - 1),
        to=st.integers(0, NODES - 1),
    )
    def one_node_hears_of_another(self, name: str, source: int, to: int) -> None:
        self.cluster.replicate_one(name, source, to)

    @rule(alone=st.integers(0, NODES - 1))
    def a_node_is_cut_off(self, alone: int) -> None:
        self.cluster.tear(alone)

    @rule()
    def it_comes_back(self) -> None:
        self.cluster.heal()

    @rule(minutes=st.sampled_from([1, 11, 30]))
    def time_passes(self, minutes: int) -> None:
        self.minutes += minutes

    def teardown(self) -> None:
        if not hasattr(self, "cluster"):
            return
        heal_and_look(self.cluster, self.minutes)
        assert_counted_once(self.cluster)


TestTornCluster = TornCluster.TestCase
TestTornCluster.settings = settings(max_examples=20, stateful_step_count=15)
