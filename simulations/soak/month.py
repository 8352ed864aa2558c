"""A long time in a short one: users sign in, faults come and go, and in the end all is counted."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from math import nan
from pathlib import Path
from random import Random
from threading import Event
from time import monotonic
from typing import Any, Final

from fake_server import Lateness
from simulations.faults.matrix import FAULTS, Fault
from simulations.stage import START, Poller, Scrape, Stage
from testing import expected
from testing.exporter_process import exporter
from testing.waiting import FACTOR, first_true

MISSING = "kpi_exporter_missing_interactions"
MEMORY, DESCRIPTORS = "process_resident_memory_bytes", "process_open_fds"
DOUBTS = timedelta(days=8)
"""So long it can take until a source whose count was wrong is believed to miss nothing."""

POLL_SECONDS = 0.25
MOST_GROWTH = 0.1
CALM_SECONDS, SPELL_SECONDS = (0.5, 4.0), (0.3, 3.0)
SETTLES_SECONDS = 120.0 * FACTOR
SPARING_THE_PROCESS: Final = tuple(
    fault for fault in FAULTS if fault.name not in {"kill -9", "SIGTERM", "out of memory"}
)
"""Faults that leave it alive, and bring nothing large that would be the measure of its memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flat:
    """A figure of the process: in the second third, when it meets all faults, and in the last."""

    before: float
    after: float

    @property
    def growth(self) -> float:
        """How much of the earlier figure came on top."""
        return self.after / self.before - 1

    @property
    def is_flat(self) -> bool:
        """Whether it grew by no more than chance explains."""
        return self.growth <= MOST_GROWTH


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What came out.

    `wrong` names each report, and its segmentation, that is not the truth; `verified` is what
    `verify` found, nothing if there is no difference. `memory` is the most, in bytes;
    `descriptors` the fewest, which is what a leak of them raises.
    """

    length: timedelta
    seconds: float
    interactions: int
    days: int
    fetched: int
    faults: Mapping[str, int]
    imports: Mapping[str, int]
    compared: int
    wrong: tuple[str, ...]
    counted: float
    missing: float
    verified: str
    memory: Flat
    descriptors: Flat
    slowest_answer_seconds: float
    said: tuple[str, ...] = field(repr=False)

    @property
    def fetched_ratio(self) -> float:
        """Rows fetched from the source for each interaction that users made."""
        return self.fetched / self.interactions

    @property
    def right(self) -> bool:
        """Whether all is counted as the users did it, and the exporter says so itself."""
        exact = self.counted == self.interactions and not self.wrong
        return exact and self.missing == 0 and not self.verified

    @property
    def held(self) -> bool:
        """Whether the soak has passed."""
        return self.right and self.memory.is_flat and self.descriptors.is_flat


def soak(
    directory: Path,
    *,
    length: timedelta,
    seed: int,
    speed: float,
    per_day: float = 1_500,
    most_late: timedelta = timedelta(days=2),
) -> Figures:
    """Let time go; after a third one process lives on, and what it takes is measured."""
    begun = monotonic()
    looked_for_hours = (2, 8, most_late // timedelta(hours=1) + 2)
    stage = Stage(
        directory,
        per_day=per_day,
        speed=speed,
        lateness=Lateness(share=0.3, least=timedelta(hours=1), most=most_late),
        imports={
            "every": "30m",
            "history": "60d",
            "sweep_after": [f"{hours}h" for hours in looked_for_hours],
        },
    )
    thirds = START + length / 3, START + length * 2 / 3, START + length
    chance = Random(seed)
    met: Counter[str] = Counter()
    poller = Poller(stage, every_seconds=POLL_SECONDS)
    with stage.open(), poller.polling():
        _let_faults_come(stage, chance, FAULTS, thirds[0], met)
        _let_faults_come(stage, chance, SPARING_THE_PROCESS, thirds[2], met)
        stage.pause()
        first_true(stage.is_right, within=SETTLES_SECONDS)
        doubts_seconds = stage.clock.seconds(DOUBTS) + SETTLES_SECONDS
        first_true(lambda: stage.scrape()[MISSING] == 0, within=doubts_seconds)
        compared, wrong = _compared(stage)
        last = stage.scrape()
        right = stage.bank.right()
    checked = exporter("verify", f"--config.file={stage.config}", cwd=directory)
    return Figures(
        length=length,
        seconds=monotonic() - begun,
        interactions=right["counted"],
        days=len(right["days"]),
        fetched=stage.bank.stats["rows"]["/wsapi/interaction_data"],
        faults=met,
        imports=_imports(poller.scrapes),
        compared=compared,
        wrong=wrong,
        counted=last["kpi_store_interactions"],
        missing=last[MISSING],
        verified="" if checked.returncode == 0 else checked.stdout + checked.stderr,
        memory=_flat(max, poller.scrapes, MEMORY, thirds),
        descriptors=_flat(min, poller.scrapes, DESCRIPTORS, thirds),
        slowest_answer_seconds=max(one.took_seconds for one in poller.scrapes if one.values),
        said=tuple(stage.said()),
    )


def _let_faults_come(
    stage: Stage, chance: Random, faults: Sequence[Fault], until: datetime, met: Counter[str]
) -> None:
    """Let them come as cards from a deck: each once, in any order, before one comes again."""
    deck: list[Fault] = []
    while stage.clock() < until:
        Event().wait(chance.uniform(*CALM_SECONDS))
        deck = deck or chance.sample(faults, len(faults))
        fault = deck.pop()
        with contextmanager(fault.spell)(stage):
            Event().wait(chance.uniform(*SPELL_SECONDS))
        met[fault.group] += 1


def _compared(stage: Stage) -> tuple[int, tuple[str, ...]]:
    """Compare every report, and every one by segment, with the truth."""
    days = stage.bank.right()["days"]
    known: Mapping[str, object] = stage.report("segmentations", None) or {}
    whole = (*expected.BY_DAY, *expected.OVER_TIME, "new_user")
    asked: list[tuple[str, str | None]] = [(name, None) for name in whole]
    asked += [(name, segmentation) for name in expected.SEGMENTED for segmentation in known]
    wrong = tuple(
        f"{name} by {segmentation or 'day'}"
        for name, segmentation in asked
        if _rounded(stage.report(name, segmentation))
        != _rounded(expected.report(name, days, segmentation))
    )
    return len(asked), wrong


def _rounded(value: Any) -> Any:
    """Leave out the last digits of ratios; counts are whole, and stay so."""
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return round(value, 12) if isinstance(value, float) else value


def _imports(scrapes: Sequence[Scrape]) -> Mapping[str, int]:
    """Count imports by result, over the lives of all processes; each begins anew from 0."""
    made: Counter[str] = Counter()
    for result in ("success", "failure"):
        counts = [one["kpi_exporter_import_runs_total" + result] for one in scrapes if one.values]
        for before, after in pairwise((0.0, *counts)):
            made[result] += int(after - before if after >= before else after)
    return made


def _flat(
    measured: Callable[..., float],
    scrapes: Sequence[Scrape],
    name: str,
    thirds: tuple[datetime, datetime, datetime],
) -> Flat:
    one_third, two_thirds, end = thirds
    before, after = (
        measured((one[name] for one in scrapes if one.values and a <= one.at < b), default=nan)
        for a, b in ((one_third, two_thirds), (two_thirds, end))
    )
    return Flat(before=before, after=after)
