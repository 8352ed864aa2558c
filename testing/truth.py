"""What the fake KPIggybank says is right, and what the exporter has, in one shape."""

from collections.abc import Mapping
from typing import Any

from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.definitions import TOTAL
from exporter.domain.layout import Layout
from exporter.domain.windows import day_of
from exporter.ports import Store

WHOLE_HISTORY = (0, 24 * 366 * 100)


def tally(counts: Mapping[int, int], layout: Layout) -> dict[str, Any]:
    """Counts as `fake_server.truth` has them."""
    first = layout.sites_histogram
    above = {slot - first: n for slot, n in sorted(counts.items()) if slot > first}
    none = counts.get(layout.attempts, 0) - sum(above.values())
    histogram = {0: none, **above} if none else above
    return {
        "attempts": counts.get(layout.attempts, 0),
        "outcomes": {name.value: counts.get(slot, 0) for name, slot in layout.outcomes.items()},
        "bounces_signed_in": counts.get(layout.bounces_signed_in, 0),
        "flows": {
            flow: {step: counts.get(slot, 0) for step, slot in steps.items()}
            for flow, steps in layout.steps.items()
        },
        "sites": {
            "sum": counts.get(layout.sites, 0),
            "histogram": {str(sites): n for sites, n in histogram.items()},
        },
        "durations": {
            name: counts.get(slots.interactions, 0) for name, slots in layout.durations.items()
        },
    }


def right(days: Mapping[str, Any]) -> dict[str, Any]:
    """The fake server's days, with how many there are of each duration in place of its values."""

    def counted(tally: Mapping[str, Any]) -> dict[str, Any]:
        return {**tally, "durations": {name: len(ms) for name, ms in tally["durations"].items()}}

    return {
        day: {
            name: counted(of)
            if name == TOTAL
            else {segment: counted(tally) for segment, tally in of.items()}
            for name, of in named.items()
        }
        for day, named in days.items()
    }


def days(store: Store, evaluator: Evaluator) -> dict[str, Any]:
    """All that a store has counted, by day, of all and by segment."""
    found: dict[str, Any] = {}
    for row in store.by_day(*WHOLE_HISTORY):
        day = found.setdefault(day_of(row.start).isoformat(), {})
        counted = tally(row.counts, evaluator.layout)
        if counted["attempts"] == 0:
            continue
        if row.segment == TOTAL and not row.segmentation:
            day[TOTAL] = counted
        else:
            day.setdefault(row.segmentation, {})[row.segment] = counted
    return {day: of for day, of in found.items() if of}
