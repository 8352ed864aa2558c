"""Layout: which counter stands in which slot, and which segment in which row."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

from exporter.domain.definitions import TOTAL, Definitions
from exporter.domain.histogram import DURATION_BUCKETS
from exporter.domain.outcome import Outcome

TOTAL_ROW = ("", TOTAL)


class DurationSlots(NamedTuple):
    """Where a duration is counted: the interactions that have it; its first bucket."""

    interactions: int
    buckets: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layout:
    """Positions of everything that is counted under one set of definitions.

    Slot numbers are the keys of a tally's counts: `attempts`, one for each outcome, one for
    each step of each flow, `bounces_signed_in`, `sites` (the sum), one for each of `durations`.
    After them come the histograms, that of each duration, and from `sites_histogram` on, at
    `sites_histogram` + bucket, the interactions by the sites that their user was signed in to
    (those with none are the rest of `attempts`).
    `shown` and `engaged` are the steps that decide outcomes; `way` holds the steps of each flow
    without those aside.
    `segments` holds (segmentation, segment): the total first, then each segment.
    """

    attempts: int
    bounces_signed_in: int
    sites: int
    sites_histogram: int
    shown: int
    engaged: int
    outcomes: Mapping[Outcome, int]
    steps: Mapping[str, Mapping[str, int]]
    way: Mapping[str, Mapping[str, int]]
    durations: Mapping[str, DurationSlots]
    segments: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, definitions: Definitions) -> Self:
        """Return the layout of the counters of these definitions."""
        outcomes = {
            outcome: 3 + n
            for n, outcome in enumerate(Outcome)
            if outcome is not Outcome.CONTINUED or definitions.outcomes.continued is not None
        }
        free = 3 + len(outcomes)
        steps: dict[str, dict[str, int]] = {}
        for flow in definitions.flows:
            steps[flow.name] = {step.name: free + n for n, step in enumerate(flow.steps)}
            free += len(flow.steps)
        buckets = free + len(definitions.durations)
        durations = {
            duration.name: DurationSlots(free + n, buckets + n * DURATION_BUCKETS)
            for n, duration in enumerate(definitions.durations)
        }
        free = buckets + len(durations) * DURATION_BUCKETS
        shown, engaged = definitions.outcomes.shown, definitions.outcomes.engaged
        return cls(
            attempts=0,
            bounces_signed_in=1,
            sites=2,
            sites_histogram=free,
            shown=steps[shown.flow][shown.step],
            engaged=steps[engaged.flow][engaged.step],
            outcomes=outcomes,
            steps=steps,
            way={
                flow.name: {
                    step.name: steps[flow.name][step.name] for step in flow.steps if not step.aside
                }
                for flow in definitions.flows
            },
            durations=durations,
            segments=(
                TOTAL_ROW,
                *(
                    (segmentation.name, segment)
                    for segmentation in definitions.segmentations
                    for segment in segmentation.all_segments
                ),
            ),
        )
