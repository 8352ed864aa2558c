"""Any batches, in any order, with reopenings and changes of definitions between them."""

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from exporter.domain.classify.evaluator import Evaluator
from exporter.ports import Store
from tests.stores.oracle import Oracle, assert_holds
from tests.stores.places import Place, couchdb_place, sqlite_place
from tests.stores.rows import ENGAGED, NOW, SHOWN, SIGNED_IN, batch, ms

# An id's month never changes: see docs/how-to/couchdb.md, "What is one interaction".
_MONTHS = ("2026-10-31T18:00", "2026-11-01")
_HOUR_MS = 3_600_000

_events = st.lists(
    st.sampled_from(
        [SHOWN, ENGAGED, SIGNED_IN, "screen.set_password", "user.user_staged", "user.email_staged"]
    ),
    unique=True,
    max_size=4,
)
_offsets = st.sampled_from([0, 1, 90, 1_500, 1_600, 40_000, 86_400_000, "250", 3.5, -1, None, "x"])


def _timed(names: list[str], offsets: list[object]) -> list[list[object]]:
    return [[name, offset] for name, offset in zip(names, offsets, strict=False)]


_blobs = st.fixed_dictionaries(
    {"event_stream": st.builds(_timed, _events, st.lists(_offsets, min_size=4, max_size=4))},
    optional={
        "lang": st.sampled_from(["en", "de", "xx", 7]),
        "number_sites_signed_in": st.sampled_from([0, 1, 2, 30, "3", None, 600_000]),
        "number_emails": st.integers(0, 4),
        "new_account": st.booleans(),
        "user_agent": st.sampled_from([None, {"os": "Linux"}, {"os": "iPad", "browser": "MSIE"}]),
    },
)


@st.composite
def _rows(draw: st.DrawFn) -> tuple[str, bytes]:
    number = draw(st.integers(0, 11))
    if draw(st.integers(0, 9)) == 0:
        return f"id{number}", draw(st.sampled_from([b"{", b"[]", b"\xff"]))
    at = ms(_MONTHS[number % 2]) + draw(st.integers(0, 5)) * _HOUR_MS
    return f"id{number}", json.dumps({"timestamp": at, **draw(_blobs)}).encode()


_batches = st.lists(_rows(), max_size=8, unique_by=lambda row: row[0])


class Life(RuleBasedStateMachine):
    """The life of a store, beside an oracle that lives the same."""

    make_place: Callable[[], Place]
    definitions: tuple[Evaluator, Evaluator]

    @initialize()
    def start(self) -> None:
        self.place = self.make_place()
        self.oracle = Oracle()
        self.active, self.other = self.definitions
        self.pending: Evaluator | None = None
        self.store: Store
        self.reopen()

    @rule()
    def reopen(self) -> None:
        self.store = self.place.open()
        self.store.use_definitions(self.active, self.pending)
        self.finished = False  # only what this process saw rebuilt is made active

    @rule(rows=_batches)
    def add(self, rows: list[tuple[str, bytes]]) -> None:
        wanted = batch(self.active, rows)
        new = [row for row in wanted.interactions if row.id not in self.oracle.interactions]
        self.oracle.add(wanted)

        added = self.store.add(wanted, NOW)

        assert added.imported + added.duplicate == len(wanted.interactions)
        assert (added.ignored, added.rejected) == (len(wanted.ignored), len(wanted.rejected))
        assert sorted(added.timestamps_ms) == sorted(row.timestamp_ms for row in new)

    @precondition(lambda self: self.pending is None)
    @rule()
    def change_definitions(self) -> None:
        self.pending, self.finished = self.other, False
        self.store.use_definitions(self.active, self.pending)

    @precondition(lambda self: self.pending is not None)
    @rule()
    def rebuild(self) -> None:
        self.finished = self.store.rebuild().finished or self.finished

    @precondition(lambda self: self.finished)
    @rule()
    def switch(self) -> None:
        self.store.activate()
        self.active, self.other = self.other, self.active
        self.pending, self.finished = None, False

    @invariant()
    def holds_what_came(self) -> None:
        assert_holds(self.store, self.oracle, self.active)

    def teardown(self) -> None:
        if hasattr(self, "place"):
            self.place.leave()


@pytest.mark.parametrize(
    ("technology", "examples"), [("sqlite", 20), pytest.param("couchdb", 5, marks=pytest.mark.slow)]
)
def test_a_store_always_holds_and_counts_what_came(
    request: pytest.FixtureRequest,
    evaluator: Evaluator,
    other_evaluator: Evaluator,
    technology: str,
    examples: int,
) -> None:
    with TemporaryDirectory() as directory:

        def make_place() -> Place:
            name = f"kpi_test_{uuid4().hex[:12]}"
            if technology == "sqlite":
                return sqlite_place(Path(directory) / f"{name}.db")
            return couchdb_place(request.getfixturevalue("pouchdb_server"), name)

        life = type(
            "Life",
            (Life,),
            {"make_place": staticmethod(make_place), "definitions": (evaluator, other_evaluator)},
        )
        run_state_machine_as_test(
            life,
            settings=settings(
                max_examples=examples,
                stateful_step_count=12,
                suppress_health_check=list(HealthCheck),
            ),
        )
