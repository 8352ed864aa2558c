"""Funnels: how many reached each step of a flow, of the first step and of the one before."""

from collections.abc import Iterator
from itertools import pairwise

from exporter.domain.kpis import Formula, Unit
from exporter.domain.titles import Titles
from exporter.web.page.counted import Counted, change, defined
from exporter.web.page.model import Funnel, Step


def funnels(counted: Counted, titles: Titles) -> Iterator[Funnel]:
    """Yield the funnel of each flow over the main range."""
    layout, counts = counted.layout, counted.ranges[counted.main]
    for flow, steps in layout.steps.items():
        way = layout.way[flow]
        first, last = next(iter(way.values())), list(way.values())[-1]
        previous = {step: way[before] for before, step in pairwise(way)}

        def share(slot: int, of: int) -> float | None:
            return defined(Formula(plus=(slot,), over=(of,)).of(counts))

        yield Funnel(
            flow=flow,
            title=titles.flow(flow),
            range=counted.main,
            steps=tuple(
                Step(
                    name=titles.step(flow, step),
                    count=counts.get(slot, 0),
                    share=share(slot, first),
                    of_previous=share(slot, previous[step]) if step in previous else None,
                    aside=step not in way,
                    change=change(
                        Formula(plus=(slot,), over=(first,)), Unit.RATIO, counts, counted.before
                    ),
                )
                for step, slot in steps.items()
            ),
            completed=share(last, first),
        )
