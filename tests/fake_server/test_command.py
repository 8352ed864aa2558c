"""`python -m fake_server` as a process."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import RemoteDisconnected
from pathlib import Path

import pytest

from testing.waiting import WAIT_SECONDS, eventually
from tests.fake_server.client import fetch

CHECKOUT = Path(__file__).parents[2]
QUICK = ("--port=0", "--days=2", "--per-day=100", "--until=2026-11-01")


@contextmanager
def started(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "fake_server", *QUICK, *arguments],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        line = process.stdout.readline()
        assert line.startswith("listening on http://127.0.0.1:")
        try:
            yield process, line.split()[-1]
        finally:
            process.terminate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_its_address_writes_the_truth_and_ends_when_told(
    number: signal.Signals, tmp_path: Path
) -> None:
    truth = tmp_path / "truth.json"
    with started(f"--truth={truth}") as (process, address):
        count = int(fetch(f"{address}/wsapi/interaction_data/count")[1])
        process.send_signal(number)
        assert process.wait(timeout=WAIT_SECONDS) == 0

    said = json.loads(truth.read_bytes())
    assert said["stored"] == count > 100
    assert list(said["days"]) == ["2026-10-30", "2026-10-31"]


def test_a_deadly_request_ends_the_process() -> None:
    with started() as (process, address):
        with pytest.raises(RemoteDisconnected):
            fetch(f"{address}/wsapi/interaction_data?start=2&end=1")
        _, said = process.communicate(timeout=WAIT_SECONDS)
        assert process.returncode == 1
        assert "died of a request" in said


def test_live_goes_on_with_late_ones_too() -> None:
    with started("--live", "--late=0.5", "--speed=36000", "--live-per-minute=1") as (_, address):
        evaluator = f"{address}/wsapi/interaction_data/count"
        before = int(fetch(evaluator)[1])
        assert eventually(lambda: int(fetch(evaluator)[1]) > before + 20)


def test_a_clock_that_stands_still_is_moved_by_hand() -> None:
    with started("--live", "--speed=0") as (_, address):
        status, said = fetch(f"{address}/fake/clock", b'{"now": "2026-11-01T12:00Z"}')
        assert status == 200
        assert json.loads(said)["arrived"] > 10


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--fault=no-such"], 2, "no such fault"),
        (["--live", "--file=x"], 2, "not allowed with"),
        (["--file=does-not-exist"], 1, "does-not-exist"),
        (["--incidents=does-not-exist"], 1, "does-not-exist"),
    ],
)
def test_wrong_usage_is_said(arguments: list[str], status: int, said: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "fake_server", *QUICK, *arguments],
        cwd=CHECKOUT,
        capture_output=True,
        check=False,
        text=True,
        timeout=WAIT_SECONDS,
    )

    assert ended.returncode == status
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
