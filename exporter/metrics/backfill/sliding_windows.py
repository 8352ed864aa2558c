"""Sliding sums: windows that move on hour by hour, plus what enters, minus what leaves."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import attrgetter

import msgspec

from exporter.domain.interaction import Hour
from exporter.domain.layout import Layout
from exporter.domain.tally import Counts, add
from exporter.domain.windows import Window
from exporter.ports import TallyStore

Rows = Sequence[Counts]
"""Counts by position in the layout's rows."""

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(dict[int, Counts]).decode


def slide(
    store: TallyStore, layout: Layout, windows: Sequence[Window], hours: range
) -> Iterator[tuple[Hour, Mapping[str, Rows]]]:
    """Return the counts of every window at each of these hours, as `take_snapshot` would.

    What is given changes as soon as the next is asked for. Each hour is read once, so that
    what leaves a window is what entered it, whatever the store adds meanwhile; an hour waits
    for that packed to a few kilobytes. Raises `StoreError`.
    """
    sums: dict[str, list[Counts]] = {
        window.name: [{} for _ in layout.segments] for window in windows
    }
    longest = max(window.hours for window in windows)
    first = hours.start - longest + 1
    arriving = _by_hour(store, layout, first, hours.stop)
    waiting: dict[Hour, bytes] = {}
    ahead = next(arriving, None)
    for hour in range(first, hours.stop):
        entering: dict[int, Counts] = {}
        if ahead is not None and ahead[0] == hour:
            entering = ahead[1]
            waiting[hour] = _pack(entering)
            ahead = next(arriving, None)
        for window in windows:
            rows = sums[window.name]
            _add(rows, entering)
            if leaving := waiting.get(hour - window.hours):
                _add(rows, _unpack(leaving), -1)
        waiting.pop(hour - longest, None)
        if hour >= hours.start:
            yield hour, sums


def _by_hour(
    store: TallyStore, layout: Layout, start: Hour, end: Hour
) -> Iterator[tuple[Hour, dict[int, Counts]]]:
    places = {row: place for place, row in enumerate(layout.segments)}
    for hour, sums in groupby(store.by_hour(start, end), attrgetter("start")):
        yield (
            hour,
            {
                places[sum_.segmentation, sum_.segment]: sum_.counts
                for sum_ in sums
                if (sum_.segmentation, sum_.segment) in places
            },
        )


def _add(rows: Rows, more: Mapping[int, Counts], sign: int = 1) -> None:
    for place, counts in more.items():
        add(rows[place], counts, sign)
