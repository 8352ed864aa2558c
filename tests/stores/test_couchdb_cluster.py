"""Several exporters on a cluster whose nodes each accept what others have not heard of yet."""

from collections.abc import Callable
from datetime import timedelta
from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from exporter.config import load
from exporter.domain.classify.evaluator import Evaluator
from exporter.ports import Batch, StoreError
from exporter.stores.couchdb import CouchdbStore
from tests.stores.cluster import NODES, Cluster, ClusterTransport, Cut
from tests.stores.oracle import ALL_TIME, Oracle, counted
from tests.stores.rows import ENGAGED, NOW, SHOWN, batch, blob

EVALUATOR = Evaluator(load("data_server: {url: 'http://127.0.0.1:3435/'}", {}).definitions)
ROWS = 2
LOOKS = 4


def content(row: int, version: int) -> tuple[str, bytes]:
    """A row; its version 0 has no event, so that it is ignored."""
    events = (SHOWN, ENGAGED)[: min(version, 2)]
    return f"row{row}", blob("2026-11-05", *events, number_sites_signed_in=version)


class Exporter:
    """A process that imports through one node."""

    def __init__(self, cluster: Cluster, node: int) -> None:
        self.transport: ClusterTransport = cluster.transport(node)
        self.store = CouchdbStore("couchdb://cluster/kpi", transport=self.transport)
        self.store.use_definitions(EVALUATOR)


def assert_counted_once(cluster: Cluster) -> None:
    assert cluster.conflicts() == []
    for node in range(NODES):
        store = Exporter(cluster, node).store
        oracle = Oracle()
        for stored in store.interactions(*ALL_TIME):
            oracle.interactions[stored.id] = stored
        oracle.ignored = {row.id for row in store.ignored()}
        stats = store.stats()
        assert counted(store) == oracle.tally(EVALUATOR)
        assert (stats.interactions, stats.ignored) == (
            len(oracle.interactions),
            len(oracle.ignored),
        )


def heal_and_look(cluster: Cluster, minutes: int) -> None:
    """Let the nodes find each other, and some exporters look, long after everything."""
    cluster.heal()
    cluster.replicate()
    for look in range(LOOKS):
        minutes += 30 * 60  # past the day after which an abandoned batch is closed
        exporter = Exporter(cluster, look % NODES)
        exporter.store.add(Batch(), NOW + timedelta(minutes=minutes))
        exporter.store.settle()
        cluster.replicate()


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

    def add(self, exporter: int, rows: list[tuple[int, int]]) -> None:
        judged = batch(EVALUATOR, [content(*row) for row in dict(rows).items()])
        now = NOW + timedelta(minutes=self.minutes)
        self.exporters[exporter].store.add(judged, now)

    some_rows = st.lists(
        st.tuples(st.integers(0, ROWS - 1), st.integers(0, 3)), min_size=1, max_size=2
    )
    one_of_them = st.integers(0, 2)

    @rule(exporter=one_of_them, rows=some_rows)
    def one_adds(self, exporter: int, rows: list[tuple[int, int]]) -> None:
        self.add(exporter, rows)

    @rule(exporter=one_of_them, rows=some_rows, others=some_rows, at=st.integers(0, 9))
    def two_add_at_once(
        self,
        exporter: int,
        rows: list[tuple[int, int]],
        others: list[tuple[int, int]],
        at: int,
    ) -> None:
        transport = self.exporters[exporter].transport
        first = transport.number

        def meddle(number: int, _: object) -> None:
            if number == first + at:
                self.add((exporter + 1) % 3, others)

        transport.at_request = meddle
        self.add(exporter, rows)
        transport.at_request = lambda *_: None

    @rule(
        exporter=one_of_them,
        rows=some_rows,
        at=st.integers(0, 9),
        how=st.sampled_from(["lost", "dropped", "late"]),
        work=st.sampled_from(["adds", "looks"]),
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
        try:
            if work == "looks":
                self.exporters[exporter].store.settle()
            else:
                self.add(exporter, rows)
        except StoreError:
            pass
        self.exporters[exporter] = Exporter(self.cluster, (exporter + 1) % NODES)

    @rule(exporter=one_of_them)
    def one_looks(self, exporter: int) -> None:
        self.exporters[exporter].store.settle()

    @rule()
    def nodes_replicate(self) -> None:
        self.cluster.replicate()

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
TestTornCluster.settings = settings(max_examples=40, stateful_step_count=20)
