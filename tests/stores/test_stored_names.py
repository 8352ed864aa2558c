"""What version 0.1.0 wrote is read: names in code may change, names in a store do not."""

from typing import Any

import msgspec
import pytest

from exporter import notes
from exporter.domain.lateness import Lateness
from exporter.ingest.plan import Ledger
from exporter.stores.couchdb.batches import BatchDocument
from exporter.stores.couchdb.generations import Generations
from exporter.stores.couchdb.rebuild import Place

AT = "2013-07-01T12:00:00Z"
WRITTEN: dict[type[Any], dict[str, Any]] = {
    Generations: {
        "format": 2,
        "in_force": 3,
        "generations": {"3": {"digest": "abc", "definitions": "{}"}},
        "pending": 4,
        "slot_tiles": 2,
    },
    BatchDocument: {
        "opened": 7,
        "open": {"2013-07": ["a"]},
        "replaces": {"2013-07": {"a": "1-x"}},
        "also": [4],
        "held": {"2013-07": [1, 0]},
        "newest": 9,
    },
    Place: {"number": 4, "month": "2013-07", "after": "a", "done": 5, "finished": True},
    Lateness: {"counts": [0] * 16, "seconds": 1.5, "observed_seconds": 2.5},
    Ledger: {
        "first": AT,
        "asked": AT,
        "swept": AT,
        "surplus": 3,
        "fell_to": 2,
        "doubtful": True,
        "doubted": AT,
        "strays": AT,  # what of the past was being fetched again is begun anew
    },
}


@pytest.mark.parametrize("type_", WRITTEN, ids=lambda type_: type_.__name__)
def test_every_value_that_was_stored_is_found_under_its_name(type_: type[Any]) -> None:
    stored = WRITTEN[type_]
    found = msgspec.to_builtins(msgspec.convert(stored, type_, strict=False))
    assert all(_covers(found[name], value) for name, value in stored.items()), found


def _covers(found: Any, stored: Any) -> bool:
    """Whether what was found holds what was stored, beside defaults of later versions."""
    if isinstance(stored, dict):
        return all(_covers(found[key if key in found else int(key)], stored[key]) for key in stored)
    return bool(found == (tuple(stored) if isinstance(found, tuple) else stored))


def test_the_names_of_notes_are_those_of_version_0_1_0() -> None:
    values = {value for name, value in vars(notes).items() if name.isupper()}
    assert values >= {
        "position", "reconciling", "lateness", "exposed_since", "copied", "unfinished copy",
    }  # fmt: skip
