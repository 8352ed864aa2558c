"""The data: made by the fake server's generator, once, and kept in the checkout's cache."""

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from exporter.domain.interaction import Row
from exporter.sources.rows import Splitter

CHECKOUT = Path(__file__).parent.parent
CACHE = CHECKOUT / ".cache" / "benchmarks"
DAYS = 28
NOW = datetime.now(UTC)
UNTIL = NOW.replace(day=1, hour=0, minute=0, second=0, microsecond=0)  # this month's corpus
HISTORY = f"{(NOW - UNTIL).days + DAYS + 1}d"  # reaches back to its beginning


def corpus(rows: int) -> Path:
    """Return the directory of a corpus of about so many rows over 28 days."""
    directory = CACHE / f"rows-{rows}-{UNTIL:%Y-%m}"
    if not (directory / "corpus.json").exists():
        command = ["--rows", rows, "--days", DAYS, "--until", UNTIL.date()]
        _run("fake_server.corpus", directory, *command)
    return directory


def json_bytes(rows: int) -> int:
    """Return how large a corpus is."""
    size: int = json.loads((corpus(rows) / "corpus.json").read_text())["bytes"]
    return size


def _run(module: str, *arguments: object) -> None:
    command = [sys.executable, "-m", module, *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True)


@contextmanager
def served(directory: Path) -> Iterator[str]:
    """Serve a corpus from a process of its own; give the address to import from."""
    command = [sys.executable, "-m", "fake_server", "--port", "0", "--file", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            words = process.stdout.readline().split() if process.stdout else []
            yield f"{words[-1]}/wsapi/interaction_data"
        finally:
            process.terminate()


def config_file(folder: Path, url: str, **more: object) -> Path:
    """Write a configuration that imports all of a corpus into a store in the folder.

    `more`: further keys of the configuration.
    """
    config = folder / "config.yml"
    content = {
        "data_server": {"url": url, "timeout": "5m"},
        "store": {"url": f"sqlite:{folder / 'kpi.db'}"},
        "import": {"every": "1h", "history": HISTORY},
    } | more
    config.write_text(json.dumps(content))
    return config


def open_store_with_definitions(rows: int) -> Path:
    """Return the file of a store that a corpus was imported into, kept in the cache."""
    schema = b"".join(sql.read_bytes() for sql in sorted(CHECKOUT.glob("exporter/stores/**/*.sql")))
    version = hashlib.blake2b(schema, digest_size=4).hexdigest()
    file = CACHE / f"store-{rows}-{UNTIL:%Y-%m}-{version}.db"
    if not file.exists():
        with tempfile.TemporaryDirectory(dir=CACHE) as name, served(corpus(rows)) as url:
            folder = Path(name)
            _run("exporter", "import", f"--config.file={config_file(folder, url)}")
            (folder / "kpi.db").rename(file)
    return file


def rows_of(size: int, *, first: int = 0, limit: int) -> list[Row]:
    """Read rows of a corpus as the source would give them, from a place in it on."""
    directory = corpus(size)
    with (directory / "offsets").open("rb") as offsets:
        offsets.seek(8 * first)
        at = int.from_bytes(offsets.read(8), sys.byteorder)
    rows: list[Row] = []
    splitter = Splitter()
    splitter.feed(b"[")
    with (directory / "rows").open("rb") as file:
        file.seek(at)
        while len(rows) < limit and (piece := file.read(1 << 20)):
            rows += splitter.feed(piece)
    if len(rows) < limit:
        splitter.feed(b"]")
        rows += splitter.end()
    return rows[:limit]


def last_rows(size: int, limit: int) -> list[Row]:
    """Read the newest rows of a corpus."""
    held = json.loads((corpus(size) / "corpus.json").read_text())["rows"]
    return rows_of(size, first=held - limit, limit=limit)
