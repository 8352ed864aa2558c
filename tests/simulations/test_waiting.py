"""A service that works has fewer interactions missing than its alert lets pass."""

from datetime import timedelta
from pathlib import Path

import pytest

from fake_server import Lateness
from simulations.late_data.waiting import MOST_LATE, SOME_LATE, waiting


@pytest.mark.slow
@pytest.mark.parametrize("lateness", [SOME_LATE, MOST_LATE], ids=["some late", "most late"])
def test_with_the_default_ages_less_waits_than_came_in_a_week(
    tmp_path: Path, lateness: Lateness
) -> None:
    found = waiting(tmp_path, lateness=lateness, per_day=40, days=90, every=timedelta(hours=12))

    assert found.of_week < 0.1
