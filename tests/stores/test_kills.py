"""Processes killed at random moments of an import, and two that import at once."""

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from exporter.domain.classify.evaluator import Evaluator
from exporter.ports import StoreError
from testing.processes import answers, running, unused_port
from testing.waiting import WAIT_SECONDS
from tests.stores.importing import rows
from tests.stores.oracle import Oracle, assert_holds
from tests.stores.places import Place, couchdb_place
from tests.stores.proxy import LOST, Request, proxied
from tests.stores.rows import NOW, batch

# So many are enough to notice what broke; CI's machine has better things to do than 50.
KILLS = int(os.environ.get("KPI_TEST_KILLS", "3"))
CHECKOUT = Path(__file__).parent.parent.parent


@pytest.fixture
def right(evaluator: Evaluator) -> Oracle:
    """What an import that nothing disturbs ends with."""
    oracle = Oracle()
    oracle.add(batch(evaluator, rows()))
    return oracle


@contextmanager
def importing(url: str) -> Iterator[subprocess.Popen[str]]:
    """A process that imports into the store at `url`."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.stores.importing", url],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def imported(process: subprocess.Popen[str]) -> int:
    """Wait for the end of an import; give how many rows were new to the store."""
    said = process.communicate(timeout=WAIT_SECONDS)[0]
    assert process.returncode == 0
    return sum(int(line.split()[1]) for line in said.splitlines())


@pytest.mark.slow
def test_a_kill_between_any_two_steps_of_an_import_loses_nothing(
    pouchdb_server: str, couchdb: Place, evaluator: Evaluator, right: Oracle
) -> None:
    chance = random.Random(7)
    name = couchdb.url.rsplit("/", 1)[1]
    for _ in range(KILLS):
        with proxied(pouchdb_server) as proxy:
            last = chance.randrange(10, 90)

            def kill(request: Request, last: int = last) -> str | None:
                if request.number == last:
                    process.kill()
                return LOST if request.number >= last else None

            proxy.rule = kill
            with importing(f"couchdb{proxy.url.removeprefix('http')}/{name}") as process:
                process.wait(timeout=WAIT_SECONDS)

    with importing(couchdb.url) as process:
        imported(process)
    store = couchdb.open()
    store.use_definitions(evaluator)
    assert_holds(store, right, evaluator)


def test_a_kill_at_any_moment_of_an_import_loses_nothing(
    place: Place, evaluator: Evaluator, right: Oracle
) -> None:
    chance = random.Random(3)
    for _ in range(KILLS):
        with importing(place.url) as process:
            portions = chance.randrange(8)
            for _ in range(portions):
                assert process.stdout is not None
                process.stdout.readline()
            # Somewhere within the next portion, which takes some 20 ms.
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(timeout=chance.random() / 50)

    with importing(place.url) as process:
        imported(process)
    store = place.open()
    store.use_definitions(evaluator)
    assert_holds(store, right, evaluator)


def test_two_exporters_that_import_the_same_count_it_once(
    place: Place, evaluator: Evaluator, right: Oracle
) -> None:
    for _ in range(2):
        with importing(place.url) as one, importing(place.url) as other:
            one_imported, other_imported = imported(one), imported(other)

    store = place.open()
    store.use_definitions(evaluator)
    assert_holds(store, right, evaluator)
    assert one_imported + other_imported <= 2 * 20  # what the last run found changed, and back


@pytest.mark.slow
def test_a_kill_of_couchdb_loses_nothing(
    pouchdb_server_program: Path, tmp_path: Path, evaluator: Evaluator, right: Oracle
) -> None:
    chance = random.Random(11)
    port = unused_port()
    url = f"http://127.0.0.1:{port}"
    place = couchdb_place(url, "kpi")
    store = place.open()
    every = rows()
    position = 0
    for _ in range(KILLS):
        with couchdb_on_disk(pouchdb_server_program, tmp_path, port) as server:
            kill_after = chance.randrange(40)
            with proxied(url) as proxy:
                through = couchdb_place(proxy.url, "kpi").open()

                def kill(request: Request, after: int = kill_after) -> None:
                    if request.number == after:
                        server.kill()

                proxy.rule = kill
                try:
                    through.use_definitions(evaluator)
                    while True:
                        through.add(batch(evaluator, every[position : position + 60]), NOW)
                        position = (position + 60) % len(every)
                except StoreError:
                    pass
                finally:
                    through.close()

    with couchdb_on_disk(pouchdb_server_program, tmp_path, port):
        store.use_definitions(evaluator)
        for start in range(0, len(every), 60):
            store.add(batch(evaluator, every[start : start + 60]), NOW)
        assert_holds(store, right, evaluator)
        place.leave()


@contextmanager
def couchdb_on_disk(program: Path, directory: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A server that outlives its own kill."""
    with running(
        program,
        f"--dir={directory}",
        f"--port={port}",
        "--no-color",
        ready=lambda: answers(f"http://127.0.0.1:{port}"),
        directory=directory,
    ) as server:
        yield server
