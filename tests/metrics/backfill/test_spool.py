"""What was put in row by row comes out column by column."""

import io

import pytest

from exporter.metrics.backfill.spool import BLOCK_BYTES, Spool


@pytest.mark.parametrize("columns", [3, 1_000, 200_000])
def test_columns_come_out_whole_over_several_blocks(columns: int) -> None:
    rows_per_block = max(1, BLOCK_BYTES // (8 * columns))
    rows = min(2 * rows_per_block + 1, 3_000)
    spool = Spool(io.BytesIO(), columns)
    for row in range(rows):
        spool.append(range(row, row + columns))

    for column in (0, columns // 2, columns - 1):
        assert list(spool.column(column)) == list(range(column, column + rows))
