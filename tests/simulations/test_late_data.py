"""A small version of the measurement of `docs/reliability.md`."""

from pathlib import Path

import pytest

from exporter.ingest.sweeps import Sweeps
from simulations.late_data.reconciling import GENTLE, measure


@pytest.mark.parametrize(
    ("sweeps", "most_fetched"), [(GENTLE, 1.7), (Sweeps(), 7)], ids=["gentle", "default"]
)
def test_numbers_are_right_when_most_interactions_come_late(
    tmp_path: Path, sweeps: Sweeps, most_fetched: float
) -> None:
    figures = measure(tmp_path, rows=3_000, days_long=20, imports=100, sweeps=sweeps)

    assert figures.right
    assert figures.missing == 0
    assert 1 < figures.ratio < most_fetched
