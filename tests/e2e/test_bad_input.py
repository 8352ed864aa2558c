"""What a user can get wrong, each with its one clear line and exit code 1."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from exporter.clock import now
from fake_server import FakeKpiggybank
from testing.exporter_process import daemon, exporter, exporter_process, write_config
from testing.waiting import WAIT_SECONDS, eventually

NOBODY = "http://127.0.0.1:1/wsapi/interaction_data"


def failure(tmp_path: Path, *arguments: str) -> str:
    """Return the line that a command prints that must fail."""
    run = exporter_process if arguments[0] == "serve" else exporter
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 1, done
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_no_configuration_file(tmp_path: Path) -> None:
    assert "kpi-exporter.yml" in failure(tmp_path, "check")


def test_a_database_of_another_program(tmp_path: Path) -> None:
    config = write_config(tmp_path / "config.yml", NOBODY)
    with sqlite3.connect(tmp_path / "kpi.db") as db:
        db.execute("create table songs (title text)")

    line = failure(tmp_path, "serve", f"--config.file={config}", "--web.listen-address=127.0.0.1:0")

    assert "kpi.db is a database of another program; give store.url another file" in line


def test_two_addresses_to_listen_on(tmp_path: Path) -> None:
    flags = ("--web.listen-address=127.0.0.1:0", "--web.listen-address=127.0.0.1:1")

    done = exporter("serve", *flags, cwd=tmp_path)

    assert done.returncode == 2
    assert "--web.listen-address: expected once" in done.stderr


def test_a_database_of_a_newer_version(tmp_path: Path) -> None:
    config = write_config(tmp_path / "config.yml", NOBODY)
    failure(tmp_path, "import", f"--config.file={config}")  # makes the store before it asks
    with sqlite3.connect(tmp_path / "kpi.db") as db:
        db.execute("pragma user_version = 999")

    line = failure(tmp_path, "report", "sites", f"--config.file={config}")

    assert "written by a newer kpi-exporter (schema 999" in line


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    config = write_config(tmp_path / "config.yml", NOBODY)
    (tmp_path / "kpi.db").write_bytes(b"not a database at all " * 100)

    assert "kpi.db cannot be opened" in failure(tmp_path, "import", f"--config.file={config}")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    config = write_config(tmp_path / "config.yml", NOBODY, store={"url": "sqlite:/nowhere/kpi.db"})

    assert "/nowhere/kpi.db" in failure(tmp_path, "import", f"--config.file={config}")


def test_a_full_disk(tmp_path: Path) -> None:
    """A limit on the file's size stands in for the disk's end: SQLite sees the same error."""
    with FakeKpiggybank() as bank:
        blob = {"event_stream": [["screen.rp_info", 1]], "padding": ""}
        at_ms = int(now().timestamp() * 1000)
        bank.add(
            {**blob, "timestamp": at_ms - 600_000, "padding": os.urandom(2000).hex()}
            for _ in range(2000)
        )
        config = write_config(tmp_path / "config.yml", bank.url)
        limited = ["bash", "-c", 'ulimit -f 1500; exec "$@"', "bash"]
        done = subprocess.run(
            [*limited, sys.executable, "-m", "exporter", "import", f"--config.file={config}"],
            cwd=tmp_path,
            check=False,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            timeout=WAIT_SECONDS,
        )

    assert done.returncode == 1, done
    assert "kpi.db cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [("check",), ("report", "segmentations")])
def test_an_output_that_is_full(arguments: tuple[str, ...], tmp_path: Path) -> None:
    config = write_config(tmp_path / "config.yml", NOBODY)
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "exporter", *arguments, f"--config.file={config}"],
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=WAIT_SECONDS,
        )

    assert done.returncode == 1, done
    said = "standard output cannot be written: No space left on device"
    assert done.stderr == f"kpi-exporter {arguments[0]}: {said}\n"


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    config = write_config(tmp_path / "config.yml", NOBODY)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"

        line = failure(
            tmp_path,
            "serve",
            f"--config.file={config}",
            f"--web.listen-address={address}",
            "--log.level=error",
        )

    assert address in line


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("garbage", "a number was expected"),
        ("status-401", "answered 401; check data_server.headers"),
        ("redirect", "redirects to"),
        ("status-503", "answered 503"),
    ],
)
def test_a_source_that_answers_something_else(fault: str, said: str, tmp_path: Path) -> None:
    with FakeKpiggybank(faults=[fault]) as bank:
        config = write_config(tmp_path / "config.yml", bank.url)

        assert said in failure(tmp_path, "import", f"--config.file={config}")


def test_wrong_usage_is_exit_code_2(tmp_path: Path) -> None:
    for arguments in ((), ("nonsense",), ("import", "--since=someday"), ("serve", "--nope")):
        assert exporter(*arguments, cwd=tmp_path).returncode == 2


@pytest.mark.parametrize("fault", [(), ("hang",), ("slow=5000",)])
def test_sigterm_ends_the_daemon_whatever_its_source_does(
    fault: tuple[str, ...], tmp_path: Path
) -> None:
    with FakeKpiggybank(faults=fault) as bank:
        at_ms = int(now().timestamp() * 1000)
        bank.add({"event_stream": [["a", 1]], "timestamp": at_ms - n} for n in range(3000))
        with daemon(write_config(tmp_path / "config.yml", bank.url)) as served:
            eventually(lambda: bank.stats["requests"])

            served.process.send_signal(signal.SIGTERM)

            assert served.process.wait(timeout=WAIT_SECONDS) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demonstration_can_be_ended_before_its_source_has_started(
    number: signal.Signals, tmp_path: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "exporter", "demo", "--web.listen-address=127.0.0.1:0"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
    ) as demo:
        eventually(lambda: list(tmp_path.iterdir()))

        demo.send_signal(number)

        _, said = demo.communicate(timeout=WAIT_SECONDS)
    assert (demo.returncode, said) == (0, "")
    assert not list(tmp_path.iterdir())
