"""Any life of a source and of an exporter: at the end nothing is lost, nothing counted twice."""

import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exporter.ports import SourceError, SourceNotReadyError
from tests.builders import ANY_TIME_MS, ms
from tests.ingest.world import DAY, HOUR, NEW_YEAR, World, looking_at

SWEEPS = looking_at(6 * HOUR, DAY, 8 * DAY, everything=20 * DAY, rows=100)
OLDEST_LOOKED_AT = NEW_YEAR - 25 * DAY


@dataclass(slots=True, kw_only=True)
class Life:
    """A world, the time that its clock should show, and what was posted."""

    world: World
    now: timedelta = timedelta(0)  # since the new year
    skew: timedelta = timedelta(0)
    posted: list[str] = field(default_factory=list)

    def post(self, **fields: object) -> None:
        name = f"blob {len(self.posted)}"
        self.posted.append(name)
        self.world.post(name, **fields)  # type: ignore[arg-type]

    def set_clock(self) -> None:
        self.world.now = NEW_YEAR + self.now + self.skew


Step: TypeAlias = Callable[[Life], None]


def post(hours_late: int) -> Step:
    def step(life: Life) -> None:
        life.post(ago=life.skew + hours_late * HOUR)

    return step


def post_oddly(kind: str) -> Step:
    def step(life: Life) -> None:
        at = ms(NEW_YEAR + life.now)
        odd = {"string": str(at), "seconds": at // 1000, "missing": None, "word": "yesterday"}
        life.post(timestamp=odd[kind])

    return step


def post_unused(kind: str) -> Step:
    return lambda life: life.post(event_stream=[] if kind == "empty" else "nonsense")


def delete(which: int) -> Step:
    def step(life: Life) -> None:
        held = [name for name in life.posted if name in life.world.shelf.rows]
        if held:
            life.world.delete(held[which % len(held)])

    return step


def revise(which: int, hours_late: int) -> Step:
    def step(life: Life) -> None:
        if life.posted:
            name = life.posted[which % len(life.posted)]
            life.world.post(name, ago=life.skew + hours_late * HOUR, revision=which)

    return step


def wait(hours: int) -> Step:
    def step(life: Life) -> None:
        life.now += hours * HOUR
        life.set_clock()

    return step


def skew(hours: int) -> Step:
    def step(life: Life) -> None:
        life.skew = hours * HOUR
        life.set_clock()

    return step


def miscount(by: int) -> Step:
    def step(life: Life) -> None:
        life.world.shelf.miscount = by

    return step


def count(able: int) -> Step:
    def step(life: Life) -> None:
        life.world.shelf.counts = bool(able)

    return step


def run(life: Life) -> None:
    life.now += HOUR
    life.set_clock()
    life.world.run_if_ready()


def fail(portions: int) -> Step:
    def step(life: Life) -> None:
        life.world.shelf.fails_after = portions
        try:
            life.world.run_if_ready()
        except SourceError:
            pass
        finally:
            life.world.shelf.fails_after = None

    return step


def kill(portions: int) -> Step:
    def step(life: Life) -> None:
        with suppress(SourceNotReadyError):
            life.world.run(portions=portions + 1)
        life.world.restart()

    return step


LATE = st.one_of(st.integers(0, 1), st.integers(0, 48), st.integers(0, 15 * 24))
COMMON: st.SearchStrategy[Step] = st.one_of(
    LATE.map(post),
    st.just(run),
    st.builds(wait, st.integers(1, 60)),
)
RARE: st.SearchStrategy[Step] = st.one_of(
    st.sampled_from(["string", "seconds", "missing", "word"]).map(post_oddly),
    st.sampled_from(["empty", "spoilt"]).map(post_unused),
    st.builds(delete, st.integers(0, 100)),
    st.builds(revise, st.integers(0, 100), LATE),
    st.builds(skew, st.sampled_from([0, 0, 0, 5, 50, -5, -50])),
    st.builds(miscount, st.sampled_from([0, 0, 3, -3, 50])),
    st.builds(count, st.integers(0, 1)),
    st.builds(fail, st.integers(0, 4)),
    st.builds(kill, st.integers(0, 3)),
)
STEPS = st.lists(st.one_of(COMMON, COMMON, RARE), max_size=40)


def should_be_held(life: Life) -> dict[str, bytes]:
    """What the source holds now, can be used, and belongs to the history."""
    evaluator, shelf = life.world.evaluator, life.world.shelf
    readable = evaluator.reread(
        [life.world.stored_as(name) for name in life.posted if name in shelf.rows]
    )
    return {one.id: one.raw for one in readable if one.timestamp_ms >= ms(OLDEST_LOOKED_AT)}


def live(steps: list[Step], *, counts: bool) -> None:
    with tempfile.TemporaryDirectory() as directory:
        world = World(Path(directory), sweeps=SWEEPS)
        life = Life(world=world)
        for step in steps:
            step(life)
        world.shelf.miscount, world.shelf.counts = 0, counts
        life.skew = timedelta(0)
        life.set_clock()

        world.go_on(30 * DAY, every=12 * HOUR)

        held = {one.id: one.raw for one in world.store.interactions(0, ANY_TIME_MS)}
        assert should_be_held(life).items() <= held.items()
        assert world.counts() == world.right_counts()
        if counts:
            assert world.balance.missing == 0
            world.fetches()
            world.go_on(10 * DAY, every=12 * HOUR)
            in_overlaps = 2 * 20
            assert world.fetches() <= in_overlaps + 20 * len(life.posted) + len(world.shelf.rows)


@settings(max_examples=20)
@given(STEPS, st.sampled_from([0, 1]))
@example([post(0), run, post(30), delete(0), run], 1)
@example([count(0), run, post(100), count(1), run], 1)
@example([post(0), run, miscount(-3), run, run, post(40), miscount(0), run], 1)
@example([post(0), run, skew(50), run, post(10), skew(0), run], 1)
def test_at_the_end_of_any_life_all_is_right(steps: list[Step], counts: int) -> None:
    live(steps, counts=bool(counts))


@pytest.mark.slow
@settings(max_examples=200)
@given(STEPS, st.sampled_from([0, 1]))
def test_at_the_end_of_many_lives_all_is_right(steps: list[Step], counts: int) -> None:
    live(steps, counts=bool(counts))
