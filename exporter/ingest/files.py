"""Interactions from files into a store; they are no rows of the source."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain

from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.interaction import Ignored, Interaction, Rejected, Row
from exporter.domain.portions import MOST_BYTES
from exporter.domain.windows import ms_of
from exporter.ingest.importer import AHEAD, BATCH_ROWS
from exporter.ingest.prefetch import prefetch
from exporter.ports import AddResult, Batch, RowFile, Store


def import_files(
    files: Iterable[RowFile], store: Store, evaluator: Evaluator, now: datetime
) -> Iterator[AddResult]:
    """Store what files hold; yields after each batch.

    While a batch is stored, the next is read. Raises `SourceError` and `StoreError`; what was
    stored stays.
    """
    portions = chain.from_iterable(file.portions() for file in files)
    for batch in prefetch(_batches(prefetch(portions), evaluator, ms_of(now + AHEAD))):
        yield store.add(batch, now)


def _batches(
    portions: Iterable[Sequence[Row]], evaluator: Evaluator, newest_ms: int
) -> Iterator[Batch]:
    rows: dict[str, Row] = {}
    size = 0
    for row in chain.from_iterable(portions):
        full = len(rows) >= BATCH_ROWS or size >= MOST_BYTES
        if full or row.id in rows:  # each id once: the later one replaces
            yield _batch(list(rows.values()), evaluator, newest_ms)
            rows, size = {}, 0
        rows[row.id] = row
        size += len(row.raw)
    if rows:
        yield _batch(list(rows.values()), evaluator, newest_ms)


def _batch(rows: Sequence[Row], evaluator: Evaluator, newest_ms: int) -> Batch:
    verdicts = evaluator.read(rows, newest_ms)
    return Batch(
        interactions=[v for v in verdicts if isinstance(v, Interaction)],
        ignored=[v for v in verdicts if isinstance(v, Ignored)],
        rejected=[v for v in verdicts if isinstance(v, Rejected)],
        collected=True,
    )
