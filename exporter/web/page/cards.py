"""Cards: each KPI over each range, by segment and by day, with what it is made of."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from exporter.domain.kpis import KPIS, Formula, Kpi, Number, Unit
from exporter.domain.tally import Counts
from exporter.domain.titles import Titles
from exporter.web.page.counted import Counted, change, defined
from exporter.web.page.formatting import change_words, value_words
from exporter.web.page.model import Day, KpiCard, KpiValue, SegmentValue


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """What a value is made of, in words and as numbers."""

    words: str = ""
    figures: tuple[float | None, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """How to write what a value is made of; `columns` names the figures."""

    columns: tuple[str, ...]
    of: Callable[[Counts, Number], _Made]


def kpi_cards(counted: Counted, titles: Titles) -> Iterator[KpiCard]:
    """Yield a card for each KPI that the page explains, and for each duration."""
    layout = counted.layout
    for kpi in KPIS.values():
        if kpi.explanation and not kpi.labels:
            (formula,) = kpi.formulas(layout)
            yield replace(
                _card(counted, kpi, kpi.name, titles.kpi(kpi.title), formula, _parts(kpi, formula)),
                explanation=titles.meaning(kpi.title, kpi.explanation),
            )
    median, p90 = KPIS["duration_median_seconds"], KPIS["duration_p90_seconds"]
    for half, most in zip(median.formulas(layout), p90.formulas(layout), strict=True):
        (duration,) = half.labels
        title = f"{titles.duration(duration)}, median time"
        name = f"{median.name}_{duration}"
        sample = _Parts(
            columns=("90th percentile", "interactions"), of=partial(_sample, half, most)
        )
        yield _card(counted, median, name, title, half, sample)


def _card(
    counted: Counted,
    kpi: Kpi,
    name: str,
    title: str,
    formula: Formula,
    parts: _Parts,
) -> KpiCard:
    """Show one KPI over each range, by segment and on each day; `parts` says what it is made of."""

    def shown(counts: Counts) -> tuple[float | None, _Made]:
        number = formula.of(counts)
        return defined(number), parts.of(counts, number)

    return KpiCard(
        name=name,
        title=title,
        explanation=kpi.explanation,
        unit=kpi.unit,
        readings=tuple(
            KpiValue(
                range=words,
                value=value,
                parts=made.words,
                change=change(formula, kpi.unit, counts, counted.before)
                if words == counted.main
                else "",
            )
            for words, counts in counted.ranges.items()
            for value, made in (shown(counts),)
        ),
        days=tuple(
            Day(date=day, value=value, parts=made.words, figures=made.figures)
            for day, counts in counted.days.items()
            for value, made in (shown(counts),)
        ),
        segments=_by_segment(counted, kpi.unit, formula, shown),
        columns=parts.columns,
    )


def _by_segment(
    counted: Counted,
    unit: Unit,
    formula: Formula,
    shown: Callable[[Counts], tuple[float | None, _Made]],
) -> tuple[SegmentValue, ...]:
    values = {segment: shown(counts) for segment, (counts, _) in counted.segments.items()}
    longest = max((value or 0.0 for value, _ in values.values()), default=0.0)
    return tuple(
        SegmentValue(
            segment=segment,
            value=value,
            parts=made.words,
            figures=made.figures,
            before=before,
            change=change_words(value, before, unit) if counted.before is not None else "",
            share=max(value or 0.0, 0.0) / longest if longest > 0 else 0.0,
        )
        for segment, (value, made) in values.items()
        for before in (defined(formula.of(counted.segments[segment][1])),)
    )


def _parts(kpi: Kpi, formula: Formula) -> _Parts:
    if formula.over is None:
        return _Parts(columns=(), of=lambda _counts, _number: _Made())
    if kpi.unit is Unit.SITES:
        return _Parts(columns=("sum", "interactions"), of=_mean)
    return _Parts(columns=("numerator", "denominator"), of=_ratio)


def _mean(_: Counts, number: Number) -> _Made:
    return _Made(
        words=f"of {number.denominator:,} interactions",
        figures=(number.numerator, number.denominator),
    )


def _ratio(_: Counts, number: Number) -> _Made:
    return _Made(
        words=f"{number.numerator:,} of {number.denominator:,}",
        figures=(number.numerator, number.denominator),
    )


def _sample(median: Formula, p90: Formula, counts: Counts, _: Number) -> _Made:
    """Return the 90th percentile and how many interactions both are of."""
    interactions = counts.get(median.plus[0], 0)
    of, most = f"of {interactions:,} interactions", defined(p90.of(counts))
    words = of if most is None else f"90% within {value_words(most, Unit.SECONDS)}, {of}"
    return _Made(words=words, figures=(most, interactions))
