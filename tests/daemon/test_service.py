"""What the web asks for, when something is not there or wrong."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from docs.pages import CHECKOUT
from exporter.config import Configuration, load
from exporter.daemon.jobs import Jobs
from exporter.daemon.service import Service
from exporter.domain.reports import REPORTS
from exporter.ports import StoreError, StoreUnavailableError
from exporter.stores.couchdb import CouchdbStore, Transport
from exporter.stores.sqlite import SqliteStore
from fake_server import FakeKpiggybank
from tests.builders import AT, ms
from tests.stores.places import drop_databases

GOOD = "data_server: {url: 'http://127.0.0.1:1/'}\n"


def refuse(_: Configuration) -> None:
    pytest.fail("a configuration with errors was applied")


def test_a_password_file_with_another_password_needs_no_restart(tmp_path: Path) -> None:
    file, password = tmp_path / "kpi-exporter.yml", tmp_path / "password"
    file.write_text(
        f"{GOOD}store: {{url: 'couchdb://127.0.0.1:1/kpi', username: kpi, password_file: password}}"
    )
    password.write_text("old")
    applied: list[Configuration] = []
    with closing(SqliteStore(tmp_path / "kpi.db")) as store:
        work = Jobs(load(file, {}), store, now=lambda: AT)
        desk = Service(work, config_file=file, now=lambda: AT, apply=applied.append)
        password.write_text("new")

        assert [*desk.reload()] == []

    assert len(applied) == 1


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (None, ": expected a file to read, found: No such file or directory"),
        (f"{GOOD}windos: [1d]\n", ":2: windos: unknown key, did you mean windows?"),
        (
            f"{GOOD}windows: [1d, 1d]\n",
            ":2: windows[1]: expected each window once, found 1d beside 1d",
        ),
        (f"{GOOD}store: {{url: 'sqlite:other.db'}}\n", ":2: store: a change needs a restart"),
        (
            f"{GOOD}web:\n  listen: 127.0.0.1:1\n",
            ":3: web.listen: a change needs a restart",
        ),
    ],
)
def test_a_reload_that_is_refused_tells_each_error_with_the_file_and_the_line(
    text: str | None, error: str, tmp_path: Path
) -> None:
    file = tmp_path / "kpi-exporter.yml"
    if text is not None:
        file.write_text(text)
    with closing(SqliteStore(tmp_path / "kpi.db")) as store:
        work = Jobs(load(GOOD, {}), store, now=lambda: AT)
        desk = Service(work, config_file=file, now=lambda: AT, apply=refuse)

        with capture_logs() as log:
            assert [*desk.reload()] == [f"{file}{error}"]

    (line,) = log
    assert line["error"] == f"{file}{error}"
    assert not work.recorder.status.reload_successful


def test_a_source_that_is_empty_has_kpis_once_it_was_imported(tmp_path: Path) -> None:
    with FakeKpiggybank() as bank, closing(SqliteStore(tmp_path / "kpi.db")) as store:
        work = Jobs(load(f"data_server: {{url: '{bank.url}'}}", {}), store, now=lambda: AT)
        desk = Service(work, config_file=None, now=lambda: AT, apply=refuse)
        work.take_snapshot()
        assert desk.unready() == "no KPIs yet: the first import is not finished"

        work.import_now()

        assert desk.unready() is None
        answer = desk.metrics(accept="", gzip=False, names=())
        lines = answer.content.decode().splitlines()
        assert 'kpi_sign_in_attempts{window="1d"} 0.0' in lines
        assert 'kpi_bounce_ratio{window="1d"} NaN' in lines
        assert desk.page().kpis
        assert desk.page().empty == "The source gave 0 rows for the last 30 days."


def test_the_page_names_the_reports_that_there_are(tmp_path: Path) -> None:
    file = CHECKOUT / "tests/config/good/webauthn.yaml"
    passkeys = load(file, {})
    with FakeKpiggybank() as bank, closing(SqliteStore(tmp_path / "kpi.db")) as store:
        bank.add([{"event_stream": [["page.choice", 0]], "timestamp": ms(AT)}])
        assert passkeys.data_server is not None
        source = replace(passkeys.data_server, url=bank.url)
        work = Jobs(replace(passkeys, data_server=source), store, now=lambda: AT)
        work.import_now()
        desk = Service(work, config_file=file, now=lambda: AT, apply=refuse)

        shown = desk.page().reports

        assert set(REPORTS) - set(shown) == {
            "new_user", "new_user_time", "password_reset", "general_progress_time", "add_email"
        }  # fmt: skip
        for name in shown:
            desk.report(name, start=None, end=None, segmentation=None)


def test_a_store_that_is_down_at_the_start_is_used_once_it_is_up(
    pouchdb_server: str,
) -> None:
    name = f"kpi_test_{uuid4().hex[:12]}"
    transport = Switch()
    store = CouchdbStore(
        f"couchdb{pouchdb_server.removeprefix('http')}/{name}", transport=transport
    )
    with FakeKpiggybank() as bank, closing(store):
        work = Jobs(load(f"data_server: {{url: '{bank.url}'}}", {}), store, now=lambda: AT)
        desk = Service(work, config_file=None, now=lambda: AT, apply=refuse)
        work.import_now()
        assert "cannot be reached" in (desk.unready() or "")
        with pytest.raises(StoreError, match="cannot be reached"):
            desk.report("assertions", start=None, end=None, segmentation=None)

        transport.is_up = True
        work.import_now()

        assert desk.unready() is None
        assert work.error == ""
    drop_databases(pouchdb_server, name)


class Switch(Transport):
    """A way to CouchDB that is closed until it is opened."""

    is_up = False

    def request(self, *arguments: Any, **named: Any) -> Any:
        if not self.is_up:
            raise StoreUnavailableError("CouchDB at http://couchdb:5984 cannot be reached: refused")
        return super().request(*arguments, **named)
