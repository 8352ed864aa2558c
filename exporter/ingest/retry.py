"""The retrial: rejected rows are read again, under today's definitions and by today's clock."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.interaction import Row
from exporter.domain.portions import cut
from exporter.domain.windows import ms_of
from exporter.ingest.batches import batch_of
from exporter.ingest.importer import AHEAD
from exporter.ports import RejectedRow, RowStore

_PORTION = 1_000  # rows stored at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried:
    """What became of rows: `rejected` are those that still cannot be read, or be held."""

    imported: int
    ignored: int
    rejected: int


def retry(
    store: RowStore, evaluator: Evaluator, rows: Sequence[RejectedRow], now: datetime
) -> Retried:
    """Add what can be read now; the rest stays rejected as it is. Raises `StoreError`."""
    newest_ms = ms_of(now + AHEAD)
    imported = ignored = 0
    for portion, collected in _portions(rows):
        read = evaluator.read([Row(row.id, row.raw) for row in portion], newest_ms)
        batch = batch_of(read, collected=collected)
        added = store.add(replace(batch, rejected=()), now)
        imported += added.imported
        ignored += added.ignored
    return Retried(imported=imported, ignored=ignored, rejected=len(rows) - imported - ignored)


def _portions(rows: Sequence[RejectedRow]) -> Iterator[tuple[Sequence[RejectedRow], bool]]:
    for collected in (False, True):
        for portion in cut((row for row in rows if row.collected == collected), _PORTION):
            yield portion, collected
