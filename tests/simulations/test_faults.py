"""A short version of the matrix: one fault or two of each group. `make faults` is the whole."""

from collections.abc import Iterator

import pytest

from simulations.faults.matrix import chosen, meet
from simulations.stage import Stage

SHORT = (
    "source: down",
    "source: hangs mid-body",
    "network: half-open connections",
    "store: full",
    "process: kill -9",
    "process: SIGTERM",
)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("stage"), per_day=500).open() as stage:
        yield stage


@pytest.mark.slow
@pytest.mark.parametrize("name", SHORT)
def test_whatever_is_wrong_nothing_is_lost_and_the_log_has_a_line(stage: Stage, name: str) -> None:
    (fault,) = chosen([name])

    row = meet(stage, fault)

    assert row.broken == [], "\n".join((str(row), *row.said))


def test_a_word_chooses_every_fault_that_has_it_in_its_group_or_name() -> None:
    assert [fault.title for fault in chosen(["CouchDB", "kill -9"])] == [
        "process: kill -9",
        "CouchDB: down",
        "CouchDB: slow",
        "CouchDB: half-open connections",
    ]


def test_a_word_that_names_no_fault_is_an_error() -> None:
    with pytest.raises(LookupError, match='no fault is named "kil -9"'):
        chosen(["down", "kil -9"])
