"""Figures: what was measured, against what, and whether the goal is met."""

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

RUNS = 5
_WHOLE_FROM = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A bound on a value: at least, or at most, so much."""

    at_least: float | None = None
    at_most: float | None = None

    def met(self, value: float) -> bool:
        """Return whether a value keeps to it."""
        return (self.at_least is None or value >= self.at_least) and (
            self.at_most is None or value <= self.at_most
        )

    def __str__(self) -> str:
        return f"≥ {self.at_least:g}" if self.at_most is None else f"≤ {self.at_most:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One row of the table: `value` in `unit`; `against` says what a ratio is to."""

    what: str
    value: float
    unit: str
    goal: Goal | None = None
    against: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without one."""
        return None if self.goal is None else self.goal.met(self.value)


def median(values: list[float]) -> float:
    """Return the middle one of several runs."""
    return statistics.median(values)


def percentile(values: list[float], share: float) -> float:
    """Return the value that so large a share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def seconds(work: Callable[[], object]) -> float:
    """Time some work by the wall clock."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def processor_seconds(work: Callable[[], object]) -> float:
    """Time some work by this process' use of processors, which a crowded machine blurs less."""
    began = time.process_time()
    work()
    return time.process_time() - began


def print_table(figures: Iterable[Figure]) -> None:
    """Print figures, a row each."""
    table = Table("what", "figure", "goal", "met", "against")
    for figure in figures:
        table.add_row(
            figure.what,
            f"{_written(figure.value)} {figure.unit}",
            "" if figure.goal is None else str(figure.goal),
            {True: "yes", False: "no", None: ""}[figure.met],
            figure.against,
        )
    Console(width=160).print(table)


def _written(value: float) -> str:
    return f"{value:,.0f}" if value >= _WHOLE_FROM else f"{value:.3g}"
