"""Stores to test: each technology, empty, at a place of its own."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from exporter.config import load
from exporter.domain.counting import Counting
from exporter.ports import Store
from tests.stores.places import Place, couchdb_place, sqlite_place


@pytest.fixture(scope="session")
def counting() -> Counting:
    """Persona's definitions, at work."""
    return Counting(load("data_server: {url: 'http://127.0.0.1:3435/'}", {}).definitions)


@pytest.fixture(scope="session")
def other_counting(counting: Counting) -> Counting:
    """Definitions with fewer segmentations, in another order: another layout."""
    definitions = counting.definitions
    fewer = tuple(reversed(definitions.segmentations[2:5]))
    return Counting(replace(definitions, segmentations=fewer))


@pytest.fixture
def couchdb(pouchdb_server: str) -> Iterator[Place]:
    place = couchdb_place(pouchdb_server, f"kpi_test_{uuid4().hex[:12]}")
    yield place
    place.leave()


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
def store(place: Place, counting: Counting) -> Store:
    """A new store that counts under Persona's definitions."""
    store = place.open()
    store.count_under(counting)
    return store
