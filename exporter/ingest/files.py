"""Interactions from files into a store; they are no rows of the source."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain

from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.interaction import Row
from exporter.domain.windows import ms_of
from exporter.ingest.batches import batch_of, each_id_once
from exporter.ingest.importer import AHEAD
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
    for rows in each_id_once(chain.from_iterable(portions)):
        yield batch_of(evaluator.read(rows, newest_ms), collected=True)
