"""A small version of the measurement of `docs/reliability.md`."""

from pathlib import Path

from simulations.late_data.reconciling import measure


def test_numbers_are_right_when_most_interactions_come_late(tmp_path: Path) -> None:
    figures = measure(tmp_path, rows=2_000, days_long=20, imports=60)

    assert figures.right
    assert figures.missing == 0
    assert 1 < figures.ratio < 60  # a part of what is there, in each import
