"""Programs that tests run against.

Each fixture here is the path or the address of a real program. Where the program is missing
the test is skipped, with the reason and the command that would help; `make test` has then
already tried to install it.
"""

import logging
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import structlog
from hypothesis import HealthCheck, settings

from testing.processes import answers, running, unused_port
from testing.waiting import TEST_SECONDS
from tests.stores.places import Place, couchdb_place

CHECKOUT = Path(__file__).parent.parent

LONGEST = "test_promtool.py"
"""A file is for one worker: at the end the others would have nothing to do beside this one."""

# How long an example takes says something of the machine, and of what else it does.
settings.register_profile(
    "any", deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the file that takes longest, and end a test that hangs."""
    items.sort(key=lambda item: item.path.name != LONGEST)
    for item in items:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(TEST_SECONDS))


def _program(*names: str, package: str) -> Path:
    """The first of `names` that is installed and starts; skips the test if there is none."""
    for name in names:
        found = shutil.which(name)
        # Ubuntu's chromium is a stub that only says that it wants a snap.
        if found:
            trial = subprocess.run([found, "--version"], check=False, capture_output=True)
            if trial.returncode == 0:
                return Path(found)
    pytest.skip(f"{names[0]} is missing; as root: apt-get install {package}")


@pytest.fixture(autouse=True)
def logging_is_for_one_test() -> Iterator[None]:
    """A command sets it up for its process: here, on a standard error that goes with the test."""
    root = logging.getLogger()
    level = root.level
    yield
    for handler in [one for one in root.handlers if type(one) is logging.StreamHandler]:
        root.removeHandler(handler)
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def promtool() -> Path:
    """Prometheus' own checker of metrics, rules and configurations."""
    return _program("promtool", package="prometheus")


@pytest.fixture(scope="session")
def prometheus() -> Path:
    return _program("prometheus", package="prometheus")


@pytest.fixture(scope="session")
def alertmanager() -> Path:
    return _program("prometheus-alertmanager", "alertmanager", package="prometheus-alertmanager")


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A browser; what it keeps whatever its profile (crash reports) stays out of the home."""
    program = _program("chromium", "chromium-browser", "google-chrome", package="chromium")
    own = tmp_path_factory.mktemp("chromium")
    apart = own / "chromium"
    apart.write_text(f'#!/bin/sh\nXDG_CONFIG_HOME="{own}" exec "{program}" "$@"\n')
    apart.chmod(0o755)
    return apart


@pytest.fixture(scope="session")
def pouchdb_server_program() -> Path:
    """npm's pouchdb-server: with `--in-memory`, or with `--dir` to outlive its own kill."""
    program = CHECKOUT / ".cache/pouchdb/node_modules/.bin/pouchdb-server"
    if not (program.exists() and shutil.which("node")):
        pytest.skip("pouchdb-server is missing: make system (as root if node or npm are too)")
    return program


@pytest.fixture(scope="session")
def pouchdb_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Address of a server with CouchDB's API, one for the session: name your database uniquely.

    KPI_TEST_COUCHDB_URL (with user and password in it, if need be) puts a real CouchDB there.
    """
    if url := os.environ.get("KPI_TEST_COUCHDB_URL"):
        yield url.rstrip("/")
        return
    program: Path = request.getfixturevalue("pouchdb_server_program")
    port = unused_port()
    url = f"http://127.0.0.1:{port}"
    directory = tmp_path_factory.mktemp("pouchdb")
    # Its log takes it as long as a good part of its answers.
    (directory / "config.json").write_text('{"log": {"level": "none"}}')
    with running(
        program,
        "--in-memory",
        f"--port={port}",
        "--no-stdout-logs",
        ready=lambda: answers(url),
        directory=directory,
    ):
        yield url


@pytest.fixture
def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on."""
    return unused_port()


@pytest.fixture
def couchdb(pouchdb_server: str) -> Iterator[Place]:
    """A place on it for a store of the test's own."""
    place = couchdb_place(pouchdb_server, f"kpi_test_{uuid4().hex[:12]}")
    yield place
    place.leave()
