"""What is stored at once is bounded in bytes, wherever rows come from."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from typing_extensions import override

from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.interaction import Row
from exporter.domain.portions import MOST_BYTES
from exporter.ingest.files import import_files
from exporter.ports import RowFile
from exporter.stores.sqlite import SqliteStore
from tests.builders import AT, persona

ROW_BYTES = MOST_BYTES // 8


class LargeRows(RowFile):
    """Rows so large that eight fill a batch."""

    skipped = 0
    done = None

    @override
    def portions(self) -> Iterator[Sequence[Row]]:
        at_ms = int((AT - timedelta(days=1)).timestamp() * 1000)
        for n in range(20):
            padding = str(n % 10) * ROW_BYTES
            text = f'{{"timestamp": {at_ms}, "event_stream": [["a", 1]], "x": "{padding}"}}'
            yield [Row(str(n), text.encode())]


def test_large_rows_make_small_batches(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "kpi.db")
    evaluator = Evaluator(persona())
    store.use_definitions(evaluator)

    batches = [added.imported for added in import_files([LargeRows()], store, evaluator, AT)]

    assert batches == [8, 8, 4]
    assert sum(1 for _ in store.interactions(0, 1 << 42)) == 20
