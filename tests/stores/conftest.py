"""Stores to test: each technology, empty, at a place of its own."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.config import load
from exporter.domain.classify.evaluator import Evaluator
from exporter.ports import Store
from tests.stores.places import Place, sqlite_place


@pytest.fixture(scope="session")
def evaluator() -> Evaluator:
    """Persona's definitions, at work."""
    return Evaluator(load("data_server: {url: 'http://127.0.0.1:3435/'}", {}).definitions)


@pytest.fixture(scope="session")
def other_evaluator(evaluator: Evaluator) -> Evaluator:
    """Definitions with fewer segmentations, in another order: another layout."""
    definitions = evaluator.definitions
    fewer = tuple(reversed(definitions.segmentations[2:5]))
    return Evaluator(replace(definitions, segmentations=fewer))


@pytest.fixture(params=["sqlite", "couchdb"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A place where no store is yet."""
    if request.param == "couchdb":
        yield request.getfixturevalue("couchdb")
        return
    on_disk = sqlite_place(tmp_path / "kpi.db")
    yield on_disk
    on_disk.leave()


@pytest.fixture
def store(place: Place, evaluator: Evaluator) -> Store:
    """A new store that counts under Persona's definitions."""
    store = place.open()
    store.use_definitions(evaluator)
    return store
