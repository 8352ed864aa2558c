"""Rows that were read, as batches to be stored."""

from collections.abc import Iterable, Iterator, Sequence

from exporter.domain.classify.classifier import Classification
from exporter.domain.interaction import Ignored, Interaction, Rejected, Row
from exporter.domain.portions import MOST_BYTES
from exporter.ports import Batch

BATCH_ROWS = 10_000  # stored at a time


def batch_of(rows: Sequence[Classification], *, collected: bool = False) -> Batch:
    """Return rows as one batch; `collected` as there."""
    return Batch(
        interactions=[row for row in rows if isinstance(row, Interaction)],
        ignored=[row for row in rows if isinstance(row, Ignored)],
        rejected=[row for row in rows if isinstance(row, Rejected)],
        collected=collected,
    )


def each_id_once(rows: Iterable[Row]) -> Iterator[Sequence[Row]]:
    """Yield rows in order, in portions to be stored, each with an id once: the later replaces."""
    portion: dict[str, Row] = {}
    size = 0
    for row in rows:
        if row.id in portion or len(portion) >= BATCH_ROWS or size >= MOST_BYTES:
            yield list(portion.values())
            portion, size = {}, 0
        portion[row.id] = row
        size += len(row.raw)
    if portion:
        yield list(portion.values())
