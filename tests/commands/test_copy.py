"""`copy` on the command line: whole, resumable, and plain about what it cannot do."""

import json
from pathlib import Path

from exporter.stores.sqlite import SqliteStore
from fake_server import FakeKpiggybank
from testing.exporter_process import LONG_AGO, exporter, write_config

GOLDEN = Path(__file__).parent.parent / "golden"


def imported(tmp_path: Path) -> Path:
    with FakeKpiggybank() as bank:
        bank.load_rows(json.loads((GOLDEN / "interactions.json").read_text()))
        config = write_config(tmp_path / "config.yml", bank.url, **LONG_AGO)
        done = exporter("import", f"--config.file={config}", "--since=2013-01-01", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    return config


def report(tmp_path: Path, store: str) -> str:
    content = {"data_server": {"url": "http://127.0.0.1:1/"}, "store": {"url": store}}
    config = tmp_path / "other.yml"
    config.write_text(json.dumps(content))
    arguments = ("new_user_success", "--segmentation=OS", "--format=json")
    return exporter("report", f"--config.file={config}", *arguments, cwd=tmp_path).stdout


def test_a_copy_reports_what_the_store_reports(tmp_path: Path) -> None:
    imported(tmp_path)
    addresses = ("--from", "sqlite:kpi.db", "--to", "sqlite:copy.db")

    for _ in range(2):  # again, and nothing is counted twice
        done = exporter("copy", *addresses, cwd=tmp_path)
        assert done.returncode == 0, done.stderr

    assert report(tmp_path, "sqlite:copy.db") == report(tmp_path, "sqlite:kpi.db") != ""


def test_an_empty_store_is_nothing_to_copy(tmp_path: Path) -> None:
    SqliteStore(tmp_path / "a.db").close()

    done = exporter("copy", "--from", "sqlite:a.db", "--to", "sqlite:b.db", cwd=tmp_path)

    assert done.returncode == 1
    assert done.stderr == "kpi-exporter copy: the store to copy from is empty\n"


def test_a_store_that_is_not_there_is_not_made_to_be_copied(tmp_path: Path) -> None:
    done = exporter("copy", "--from", "sqlite:a.db", "--to", "sqlite:b.db", cwd=tmp_path)

    assert done.returncode == 1
    assert done.stderr == "kpi-exporter copy: --from sqlite:a.db is not there\n"
    assert not list(tmp_path.iterdir())


def test_a_store_is_not_copied_onto_itself(tmp_path: Path) -> None:
    done = exporter("copy", "--from", "sqlite:a.db", "--to", "sqlite:a.db", cwd=tmp_path)

    assert done.returncode == 1
    assert "the same store" in done.stderr


def test_an_address_of_no_known_kind_is_said_to_be(tmp_path: Path) -> None:
    done = exporter("copy", "--from", "mysql://a/b", "--to", "sqlite:b.db", cwd=tmp_path)

    assert done.returncode == 1
    assert "store.url" in done.stderr


def test_a_password_comes_from_a_file_and_never_in_an_address(tmp_path: Path) -> None:
    to = ("--to", "sqlite:b.db")
    with_password = ("--from", "couchdb://kpi:secret@127.0.0.1:9/kpi")

    done = exporter("copy", *with_password, *to, cwd=tmp_path)

    assert done.returncode == 2
    assert "--from-password-file" in done.stderr
    assert "secret" not in done.stderr

    (tmp_path / "password").write_text("secret\n")
    address = ("--from", "couchdb://kpi@127.0.0.1:9/kpi", "--from-password-file", "password")
    done = exporter("copy", *address, *to, cwd=tmp_path)

    assert done.returncode == 1
    assert "127.0.0.1:9" in done.stderr
    assert "secret" not in done.stderr
