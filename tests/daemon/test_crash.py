"""Out of memory, the process ends with one line: a restart heals that, and nothing is lost."""

import subprocess
import sys
from pathlib import Path

import pytest

PROCESS = """
import resource, sys, threading
from datetime import UTC, datetime
from pathlib import Path
from exporter import logs
from exporter.config import load
from exporter.crash import end_where_memory_is_out, probe_memory
from exporter.daemon.jobs import Jobs
from exporter.ingest.prefetch import prefetch
from exporter.stores.sqlite import SqliteStore

class Full(SqliteStore):
    def note(self, name):
        raise MemoryError

def refuse():
    raise MemoryError
    yield

def refuse_in_a_thread():
    thread = threading.Thread(target=lambda: next(refuse()))
    thread.start()
    thread.join()

class Unfinished:
    def __del__(self):  # what is raised where nobody can catch it
        raise MemoryError

def probe_without_memory():
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    probe_memory()

def refuse_in_a_job():
    at = datetime(2013, 7, 1, tzinfo=UTC)
    configuration = load("data_server: {url: 'http://127.0.0.1:9'}", {})
    store = SqliteStore(Path("kpi.db"))
    jobs = Jobs(configuration, store, now=lambda: at)
    store.__class__ = Full
    jobs.drop_old()

logs.set_up("info", "logfmt")
end_where_memory_is_out()
{
    "job": refuse_in_a_job,
    "thread": refuse_in_a_thread,
    "nowhere": Unfinished,
    "probe": probe_without_memory,
}[sys.argv[1]]()
print("survived")
"""


@pytest.mark.parametrize("where", ["job", "thread", "nowhere", "probe"])
def test_it_ends_with_one_line_wherever_memory_is_out(where: str, tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROCESS, where],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ended.returncode, ended.stdout) == (1, "")
    (line,) = ended.stderr.splitlines()
    assert "out of memory, the process ends" in line
