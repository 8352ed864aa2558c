"""What the measurements of CouchDB share: a server to write to, and rows to write."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import requests

from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.interaction import Ignored, Interaction, Row
from exporter.ingest.batches import BATCH_ROWS
from exporter.ports import Batch
from fake_server import Crowd
from fake_server.rows import from_plan

POUCHDB = Path(__file__).parent.parent / ".cache/pouchdb/node_modules/.bin/pouchdb-server"
END = datetime(2026, 11, 20, tzinfo=UTC)


def portions_of(
    evaluator: Evaluator, since: datetime, until: datetime, *, per_day: float
) -> Iterator[Batch]:
    """Judge simulated rows as an import does, in order of time."""
    plans = Crowd(seed=8, per_day=per_day).plans(since, until)
    newest_ms = int(END.timestamp() * 1000)
    while records := [from_plan(plan) for plan in islice(plans, BATCH_ROWS)]:
        rows = [Row(r.id, r.blob.encode(errors="backslashreplace")) for r in records]
        verdicts = evaluator.read(rows, newest_ms)
        yield Batch(
            interactions=[v for v in verdicts if isinstance(v, Interaction)],
            ignored=[v for v in verdicts if isinstance(v, Ignored)],
        )


@contextmanager
def couchdb() -> Iterator[str]:
    """Return the address of an empty server."""
    if url := os.environ.get("KPI_TEST_COUCHDB_URL"):
        yield url.rstrip("/")
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with (
        TemporaryDirectory() as directory,
        subprocess.Popen(
            [POUCHDB, "--in-memory", f"--port={port}", "--no-stdout-logs"],
            cwd=directory,
            stdout=subprocess.DEVNULL,
        ) as process,
    ):
        try:
            _await(url)
            yield url
        finally:
            process.terminate()


def _await(url: str) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            requests.get(url, timeout=2).raise_for_status()
        except requests.RequestException:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return
