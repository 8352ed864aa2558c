"""Rows cut into batches whose every document CouchDB takes: it takes none over 8 MB.

A batch's document holds the ids of its rows while it is open, some of them twice; when it is
closed, the counts of their hours, under two sets of definitions while these change.
"""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from exporter.domain.interaction import MS_PER_HOUR, Hour, Ignored, Interaction
from exporter.domain.layout import Layout
from exporter.ports import AddResult, Batch
from exporter.stores.couchdb.names import document_id

Row = TypeVar("Row", bound=Interaction | Ignored)
MOST_ROWS = 10_000
MOST_ID_BYTES = 1024 * 1024
MOST_RAW_BYTES = 16 * 1024 * 1024  # of content, so that memory stays bounded
_TALLY_BYTES = 4 * 1024 * 1024
_NUMBER_BYTES = 8  # a count of an hour, under two sets of definitions
_FEWEST_HOURS = 24


def parts_of(rows: Batch, layout: Layout) -> Iterator[Batch]:
    """Split rows into batches. Of an id that comes readable and ignored, what can be read stays."""
    readable = {row.id for row in rows.interactions}
    ignored = [row for row in rows.ignored if row.id not in readable]
    interactions = list(_cut(rows.interactions, most_hours(layout)))
    others = list(_cut(ignored, 0))
    for n in range(max(len(interactions), len(others), 1)):
        yield Batch(
            interactions=interactions[n] if n < len(interactions) else (),
            ignored=others[n] if n < len(others) else (),
            rejected=() if n else rows.rejected,
            collected=rows.collected,
        )


def most_hours(layout: Layout) -> int:
    """Return how many hours a batch may touch, if each of their counts may be there."""
    counters = layout.sites + 1 + len(layout.durations)
    counters += sum(len(steps) for steps in layout.steps.values())
    of_an_hour = len(layout.segments) * counters * _NUMBER_BYTES
    return max(_FEWEST_HOURS, _TALLY_BYTES // of_an_hour)


def _cut(rows: Sequence[Row], hours: int) -> Iterator[list[Row]]:
    part: list[Row] = []
    touched: set[Hour] = set()
    id_bytes = raw_bytes = 0
    for row in rows:
        own_ids = len(document_id(row.id).encode())
        own_raw, hour = 0, None
        if isinstance(row, Interaction):
            own_raw, hour = len(row.raw), row.timestamp_ms // MS_PER_HOUR
        is_full = (
            len(part) == MOST_ROWS
            or id_bytes + own_ids > MOST_ID_BYTES
            or raw_bytes + own_raw > MOST_RAW_BYTES
            or (hour is not None and hour not in touched and len(touched) == hours)
        )
        if part and is_full:
            yield part
            part, touched, id_bytes, raw_bytes = [], set(), 0, 0
        part.append(row)
        id_bytes += own_ids
        raw_bytes += own_raw
        if hour is not None:
            touched.add(hour)
    if part:
        yield part


def sum_of(added: Sequence[AddResult]) -> AddResult:
    """Return what became of the rows of several batches."""
    return AddResult(
        imported=sum(each.imported for each in added),
        duplicate=sum(each.duplicate for each in added),
        ignored=sum(each.ignored for each in added),
        rejected=sum(each.rejected for each in added),
        timestamps_ms=[timestamp_ms for each in added for timestamp_ms in each.timestamps_ms],
    )
