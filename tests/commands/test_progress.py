"""Long work shows how far it is: to people as a bar, to logs as a line now and then."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from exporter import logs
from exporter.commands.progress import SAY_EVERY, track
from testing.exporter_process import write_config
from testing.waiting import WAIT_SECONDS
from tests.builders import FEWER_SEGMENTS, crowd, fewer_segments, sqlite_store

START = datetime(2013, 7, 1, tzinfo=UTC)


def test_the_log_gets_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("info", "logfmt")
    seconds = (START + n * SAY_EVERY / 10 for n in count())

    assert track(range(1, 31), "rows", 30, now=lambda: next(seconds)) == 30

    said = capsys.readouterr().err.splitlines()
    assert [re.sub("ts=[^ ]+ ", "", line) for line in said] == [
        f"level=info event=rows done={done} total=30" for done in (10, 20, 30)
    ]


def test_nothing_to_do_is_nothing_done() -> None:
    assert track(iter(()), "rows", None) == 0


def until_hung_up(terminal: int) -> Iterator[bytes]:
    while True:
        try:
            yield os.read(terminal, 10_000)
        except OSError:  # the other side is closed
            return


def test_a_terminal_gets_a_bar(tmp_path: Path) -> None:
    rows = crowd(1, 20, START, START + timedelta(days=2))
    sqlite_store(tmp_path / "kpi.db", rows, fewer_segments()).close()
    config = write_config(
        tmp_path / "config.yml", "http://127.0.0.1:9/", segmentations=FEWER_SEGMENTS
    )
    ours, its = os.openpty()
    command = [sys.executable, "-m", "exporter", "backfill", f"--config.file={config}"]
    with subprocess.Popen(
        [*command, "--to=2013-07-02", f"--output={tmp_path / 'history.om'}"],
        stderr=its,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    ) as process:
        os.close(its)
        shown = b"".join(until_hung_up(ours)).decode()
        assert process.wait(timeout=WAIT_SECONDS) == 0
    os.close(ours)

    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert re.search(r"hours computed ━+ 2\d/2\d", text), text
    assert re.search(r"series written ━+ (\d+)/\1 ", text), text
