"""Which values stand behind each segment of a segmentation, and how often."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.definitions import OTHER
from exporter.domain.interaction import StoredInteraction
from exporter.domain.portions import portions

MAX_VALUES = 10_000  # different ones that are told apart, so that memory is bounded
_BATCH_SIZE = 1_000
_LONGEST = 80  # characters of a value that are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentValues:
    """The values of one segment, the most frequent first; None is a missing value.

    `untold`: interactions whose value came after `MAX_VALUES` different ones.
    """

    segment: str
    interactions: int
    values: tuple[tuple[str | None, int], ...]
    untold: int


def segment_values(
    interactions: Iterable[StoredInteraction], evaluator: Evaluator, segmentation: str
) -> list[SegmentValues]:
    """Count the values of each segment, `Other` first, then the most frequent segments."""
    values: Counter[tuple[str, str | None]] = Counter()
    untold: Counter[str] = Counter()
    for segment, value in _pairs(interactions, evaluator, segmentation):
        key = segment, None if value is None else value[:_LONGEST]
        if key in values or len(values) < MAX_VALUES:
            values[key] += 1
        else:
            untold[segment] += 1
    return sorted(
        _by_segment(values, untold), key=lambda of: (of.segment != OTHER, -of.interactions)
    )


def _by_segment(
    values: Mapping[tuple[str, str | None], int], untold: Mapping[str, int]
) -> Iterator[SegmentValues]:
    segments: dict[str, list[tuple[str | None, int]]] = {}
    for (segment, value), n in values.items():
        segments.setdefault(segment, []).append((value, n))
    for segment, counts in segments.items():
        more = untold.get(segment, 0)
        yield SegmentValues(
            segment=segment,
            interactions=sum(n for _, n in counts) + more,
            values=tuple(sorted(counts, key=lambda count: (-count[1], count[0] or ""))),
            untold=more,
        )


def _pairs(
    interactions: Iterable[StoredInteraction], evaluator: Evaluator, segmentation: str
) -> Iterator[tuple[str, str | None]]:
    for batch in portions(interactions, _BATCH_SIZE):
        for interaction in evaluator.reread(batch):
            yield evaluator.segment_and_value(segmentation, interaction)
