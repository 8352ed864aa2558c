"""The daemon on CouchDB: the whole way, and what it exposes while CouchDB fails."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import requests

from fake_server import Crowd, FakeKpiggybank, Truth
from testing.exporter_process import Daemon, daemon, write_config
from testing.waiting import WAIT_SECONDS, eventually
from tests.stores.places import drop_databases
from tests.stores.proxy import DROPPED, Answer, Proxy, error, proxied


@pytest.fixture
def proxy(pouchdb_server: str) -> Iterator[Proxy]:
    with proxied(pouchdb_server) as proxy:
        yield proxy


@pytest.fixture
def bank() -> Iterator[FakeKpiggybank]:
    with FakeKpiggybank(backend="couchdb") as bank:
        yield bank


@pytest.fixture
def truth(bank: FakeKpiggybank) -> Truth:
    until = datetime.now(UTC)  # noqa: TID251 -- the daemon reads the clock too
    return bank.fill(Crowd(seed=5, per_day=200).plans(until - timedelta(days=4), until))


@pytest.fixture
def config(proxy: Proxy, bank: FakeKpiggybank, tmp_path: Path) -> Iterator[Path]:
    """A configuration that imports every second, into a CouchDB behind the proxy."""
    name = f"kpi_test_{uuid4().hex[:12]}"
    store = {"url": proxy.url.replace("http", "couchdb", 1) + f"/{name}"}
    every_second = {"every": "1s", "history": "5d"}
    yield write_config(tmp_path / "config.yml", bank.url, store=store, **{"import": every_second})
    drop_databases(proxy.upstream, name)


def attempts_by_day(served: Daemon) -> dict[str, float]:
    entries = served.data("assertions").get("Total", [])
    return {entry["category"]: entry["value"] for entry in entries}


def right(truth: Truth) -> dict[str, float]:
    return {day: of["Total"]["attempts"] for day, of in truth.days().items()}


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(DROPPED, id="down"),
        pytest.param(
            error(507, "insufficient_storage", "disk full"), id="full", marks=pytest.mark.slow
        ),
    ],
)
def test_kpis_stay_exposed_while_couchdb_fails(
    proxy: Proxy, config: Path, truth: Truth, answer: Answer | str
) -> None:
    with daemon(config) as running:
        running.await_import()
        assert attempts_by_day(running) == right(truth)
        before = running.metric("kpi_sign_in_attempts", window="30d")

        proxy.rule = lambda _: answer
        eventually(lambda: running.metric("kpi_store_up") == 0)
        imports = running.imports("failure")
        eventually(lambda: running.imports("failure") > imports + 1)

        assert running.metric("kpi_sign_in_attempts", window="30d") == before > 0
        assert running.get("/-/healthy").status_code == 200
        proxy.behave()
        eventually(lambda: running.metric("kpi_store_up") == 1)
        assert attempts_by_day(running) == right(truth)
        assert running.stop() == 0

        lines = running.output.read_text().splitlines()
        said = [line for line in lines if "level=error" in line and "CouchDB at" in line]
        assert len(said) == len(set(said)) <= 3, said


def test_kpis_are_rebuilt_and_never_zero_after_the_tallies_were_lost(
    proxy: Proxy, config: Path, truth: Truth
) -> None:
    with daemon(config) as running:
        running.await_import()
        assert running.stop() == 0
    (tallies,) = {r.path.split("/")[1] for r in proxy.seen if "/definitions" in r.path}
    requests.delete(f"{proxy.upstream}/{tallies}", timeout=WAIT_SECONDS).raise_for_status()

    with daemon(config) as running:
        eventually(lambda: running.get("/-/ready").status_code == 200)

        assert attempts_by_day(running) == right(truth)
        assert running.metric("kpi_store_interactions") == sum(attempts_by_day(running).values())
        assert running.stop() == 0
        lines = running.output.read_text().splitlines()
        assert sum("the tallies are not those of the stored interactions" in e for e in lines) == 1
