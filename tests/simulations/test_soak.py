"""A short soak: a day. `make soak` is a month, and watches memory, too."""

from datetime import timedelta
from pathlib import Path

import pytest

from simulations.soak.month import soak
from simulations.stage import SPEED


@pytest.mark.slow
def test_random_faults_leave_every_count_as_the_users_made_it(tmp_path: Path) -> None:
    figures = soak(
        tmp_path,
        length=timedelta(days=1),
        seed=4,
        speed=SPEED,
        per_day=400,
        most_late=timedelta(hours=12),
    )

    assert figures.faults
    assert figures.right, figures
