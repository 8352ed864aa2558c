"""The headline: how many signed in, where most are lost, how long it takes."""

from collections.abc import Iterator
from itertools import pairwise

from exporter.domain.kpis import KPIS, Formula, Unit
from exporter.domain.layout import Layout
from exporter.domain.outcome import Outcome
from exporter.domain.titles import Titles
from exporter.web.page.counted import Counted, change, defined
from exporter.web.page.formatting import value_words
from exporter.web.page.model import Fact


def headline(counted: Counted, titles: Titles) -> Iterator[Fact]:
    """Yield how many signed in, where most are lost, and how long it takes."""
    layout, counts = counted.layout, counted.ranges[counted.main]
    formula = _signed_in(layout)
    number = formula.of(counts)
    against = change(formula, Unit.RATIO, counts, counted.before)
    yield Fact(
        label="Signed in",
        value=value_words(defined(number), Unit.RATIO),
        detail=f"{number.numerator:,} of {number.denominator:,} dialogs shown" + _after(against),
    )
    yield from _most_lost(counted, titles)
    yield from _time_to_sign_in(counted, titles)


def _signed_in(layout: Layout) -> Formula:
    """Return who was signed in, of the dialogs shown; one that goes on later is judged then."""
    outcomes = layout.outcomes
    ended = (slot for outcome, slot in outcomes.items() if outcome is not Outcome.CONTINUED)
    signed_in = (Outcome.ASSERTION, Outcome.FALLBACK, Outcome.IDP)
    return Formula(
        plus=(*(outcomes[outcome] for outcome in signed_in), layout.bounces_signed_in),
        over=tuple(ended),
    )


def _most_lost(counted: Counted, titles: Titles) -> Iterator[Fact]:
    counts = counted.ranges[counted.main]
    flow = counted.definitions.outcomes.shown.flow
    way = counted.layout.way[flow]
    reached = {step: counts.get(slot, 0) for step, slot in way.items()}
    lost = [
        (reached[before] - reached[step], before, step)
        for before, step in pairwise(way)
        if reached[before]
    ]
    if not lost:
        return
    most, before, step = max(lost, key=lambda one: one[0])
    if most > 0:
        yield Fact(
            label="Most are lost",
            value=f"before \N{LEFT DOUBLE QUOTATION MARK}{titles.step(flow, step)}"
            "\N{RIGHT DOUBLE QUOTATION MARK}",
            detail=f"{value_words(most / reached[before], Unit.RATIO)}: {most:,} of"
            f" {reached[before]:,} that reached \N{LEFT DOUBLE QUOTATION MARK}"
            f"{titles.step(flow, before)}\N{RIGHT DOUBLE QUOTATION MARK}",
        )


def _time_to_sign_in(counted: Counted, titles: Titles) -> Iterator[Fact]:
    """Yield the median of the first duration of all interactions that ends with the sign-in."""
    signed_in = set(counted.definitions.outcomes.signed_in.requires)
    for duration in counted.definitions.durations:
        if duration.flow is None and signed_in & set(duration.end.any_of):
            median = KPIS["duration_median_seconds"]
            formula = next(
                f for f in median.formulas(counted.layout) if f.labels[0] == duration.name
            )
            counts = counted.ranges[counted.main]
            against = change(formula, Unit.SECONDS, counts, counted.before)
            yield Fact(
                label=f"{titles.duration(duration.name)}, median time",
                value=value_words(defined(formula.of(counts)), Unit.SECONDS),
                detail=f"of {counts.get(formula.plus[0], 0):,} interactions" + _after(against),
            )
            return


def _after(against: str) -> str:
    return f", {against}" if against else ""
