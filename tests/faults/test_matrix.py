"""A short version of the matrix: one fault or two of each group. `make faults` is the whole."""

from collections.abc import Iterator

import pytest

from tests.faults.matrix import FAULTS, Fault, meet
from tests.faults.stage import Stage

SHORT = ("down", "hangs mid-body", "half-open connections", "full", "kill -9")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("stage"), per_day=500).open() as stage:
        yield stage


@pytest.mark.timeout(180)  # a fault lasts for some imports; more on a busy machine
@pytest.mark.parametrize(
    "fault",
    [fault for fault in FAULTS if fault.name in SHORT],
    ids=lambda fault: f"{fault.group}: {fault.name}",
)
def test_whatever_is_wrong_nothing_is_lost_and_all_is_told(stage: Stage, fault: Fault) -> None:
    row = meet(stage, fault)

    assert row.broken == [], "\n".join((str(row), *row.said))
