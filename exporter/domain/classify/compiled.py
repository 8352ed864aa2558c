"""Definitions in the form in which they are quick to apply to a blob."""

from collections.abc import Iterable, Sequence
from typing import Any

from typing_extensions import override

from exporter.domain.classify.decoder import Getter, number
from exporter.domain.definitions import OTHER, Segmentation
from exporter.domain.histogram import MOST_SITES
from exporter.domain.layout import Layout

# Caches of what comes from outside are bounded, in number and in what each may take.
MAX_CACHED = 10_000
MAX_CACHED_CHARACTERS = 200
MAX_CACHED_EVENTS = 40


class EventMask(dict[str, int]):
    """Event name -> the bits of what the rules ask that this event answers."""

    def __init__(self) -> None:
        super().__init__()
        self._named: dict[str, int] = {}
        self._contained: dict[str, int] = {}

    def _bit(self, table: dict[str, int], text: str) -> int:
        return table.setdefault(text, 1 << (len(self._named) + len(self._contained)))

    def of(self, names: Iterable[str]) -> int:
        """Return the bits of these event names."""
        return sum({self._bit(self._named, name) for name in names})

    def containing(self, text: str) -> int:
        """Return the bit of events whose name contains the text."""
        return self._bit(self._contained, text)

    def __missing__(self, name: str) -> int:
        bits = self._named.get(name, 0)
        for text, bit in self._contained.items():
            if text in name:
                bits |= bit
        if len(self) < MAX_CACHED and len(name) <= MAX_CACHED_CHARACTERS:
            self[name] = bits
        return bits


class BoundedCache(dict[Any, int]):
    """A function of a value from outside whose answers are kept, up to a limit."""

    def answer(self, value: Any) -> int:
        """Return the answer for a value that is not kept."""
        raise NotImplementedError

    def __missing__(self, value: Any) -> int:
        answer = self.answer(value)
        is_long = isinstance(value, str) and len(value) > MAX_CACHED_CHARACTERS
        if len(self) < MAX_CACHED and not is_long:
            self[value] = answer
        return answer


class Segments(BoundedCache):
    """A segmentation: a blob's value -> the index of its segment in the layout."""

    def __init__(self, segmentation: Segmentation, layout: Layout) -> None:
        super().__init__()
        self._indexes = {
            name: layout.segments.index((segmentation.name, name))
            for name in segmentation.all_segments
        }
        self._spelling = str.casefold if segmentation.ignore_case else str
        self._named = {
            self._spelling(value): segment
            for value, segment in (
                *((segment, segment) for segment in segmentation.all_segments),
                *segmentation.aliases,
            )
        }
        self._ranges = segmentation.ranges

    @override
    def answer(self, value: Any) -> int:
        return self._indexes[self.segment(value)]

    def segment(self, value: str | float | None) -> str:
        """Return the segment of a value; None is a missing one."""
        if value is None:
            return OTHER
        n = number(value) if self._ranges else None
        if n is not None:
            value = n
            for span in self._ranges:
                if (span.at_least is None or n >= span.at_least) and (
                    span.at_most is None or n <= span.at_most
                ):
                    return span.segment
        return self._named.get(self._spelling(text_of(value)), OTHER)


def text_of(value: str | float) -> str:
    """Return a value as text; a whole number has no point."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def has_truth_values(segmentation: Segmentation) -> bool:
    """Return whether truth values have a segment here."""
    named = (*segmentation.segments, *(value for value, _ in segmentation.aliases))
    return any(name.casefold() in {"true", "false"} for name in named)


def first_of(getters: Sequence[Getter]) -> Getter:
    """Return the way to the first field that has a value."""
    if len(getters) == 1:
        return getters[0]
    return lambda blob: next((v for v in (get(blob) for get in getters) if v is not None), None)


class SiteCounts(BoundedCache):
    """A number of sites; what is no whole number from 1 to `MOST_SITES` is 0."""

    @override
    def answer(self, value: Any) -> int:
        n = number(value)
        return int(n) if n is not None and 0 < n <= MOST_SITES and n == int(n) else 0
