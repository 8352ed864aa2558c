"""Cards: each KPI over each range, by segment and by day, with what it is made of."""

from collections.abc import Callable, Iterator
from functools import partial
from math import isnan

from exporter.domain.kpis import KPIS, Formula, Kpi, Number, Unit
from exporter.domain.tally import Counts
from exporter.domain.titles import Titles
from exporter.web.page.counted import Counted, change, defined
from exporter.web.page.formatting import value_words
from exporter.web.page.model import Day, KpiCard, KpiValue, SegmentValue


def kpi_cards(counted: Counted, titles: Titles) -> Iterator[KpiCard]:
    """Yield a card for each KPI that the page explains, and for each duration."""
    layout = counted.layout
    for kpi in KPIS.values():
        if kpi.explanation and not kpi.labels:
            (formula,) = kpi.formulas(layout)
            yield _card(counted, kpi, kpi.name, kpi.title, formula, partial(_parts, kpi))
    median, p90 = KPIS["duration_median_seconds"], KPIS["duration_p90_seconds"]
    for half, most in zip(median.formulas(layout), p90.formulas(layout), strict=True):
        (duration,) = half.labels
        title = f"{median.title}: {titles.duration(duration)}"
        name = f"{median.name}_{duration}"
        yield _card(counted, median, name, title, half, partial(_sample, half, most))


def _card(
    counted: Counted,
    kpi: Kpi,
    name: str,
    title: str,
    formula: Formula,
    parts: Callable[[Counts, Number], str],
) -> KpiCard:
    """Show one KPI over each range, by segment and on each day; `parts` says what it is made of."""

    def shown(counts: Counts) -> tuple[float | None, str]:
        number = formula.of(counts)
        return defined(number), parts(counts, number)

    return KpiCard(
        name=name,
        title=title,
        explanation=kpi.explanation,
        unit=kpi.unit,
        readings=tuple(
            KpiValue(
                range=words,
                value=value,
                parts=made_of,
                change=change(formula, kpi.unit, counts, counted.before)
                if words == counted.main
                else "",
            )
            for words, counts in counted.ranges.items()
            for value, made_of in (shown(counts),)
        ),
        days=tuple(
            Day(date=day, value=value, parts=made_of)
            for day, counts in counted.days.items()
            for value, made_of in (shown(counts),)
        ),
        segments=_by_segment(counted, kpi.unit, formula, shown),
    )


def _by_segment(
    counted: Counted,
    unit: Unit,
    formula: Formula,
    shown: Callable[[Counts], tuple[float | None, str]],
) -> tuple[SegmentValue, ...]:
    values = {segment: shown(counts) for segment, (counts, _) in counted.segments.items()}
    longest = max((value or 0.0 for value, _ in values.values()), default=0.0)
    return tuple(
        SegmentValue(
            segment=segment,
            value=value,
            parts=parts,
            before=defined(formula.of(before)),
            change=change(formula, unit, counts, before),
            share=max(value or 0.0, 0.0) / longest if longest > 0 else 0.0,
        )
        for segment, (counts, before) in counted.segments.items()
        for value, parts in (values[segment],)
    )


def _parts(kpi: Kpi, _: Counts, number: Number) -> str:
    if number.denominator is None:
        return ""
    if kpi.unit is Unit.SITES:
        return f"of {number.denominator:,} interactions"
    return f"{number.numerator:,} of {number.denominator:,}"


def _sample(median: Formula, p90: Formula, counts: Counts, _: Number) -> str:
    """Return the 90th percentile and how many interactions both are of."""
    of = f"of {counts.get(median.plus[0], 0):,} interactions"
    most = p90.of(counts).value
    return of if isnan(most) else f"90% within {value_words(most, Unit.SECONDS)}, {of}"
