"""The data: made by the fake server's generator, once, and kept in the checkout's cache."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CACHE = Path(__file__).parent.parent / ".cache" / "benchmarks"
UNTIL = "2026-11-01"
DAYS = 28


def corpus(rows: int) -> Path:
    """Give the directory of a corpus of about so many rows over 28 days."""
    directory = CACHE / f"rows-{rows}"
    if not (directory / "corpus.json").exists():
        _run("fake_server.corpus", directory, "--rows", rows, "--days", DAYS, "--until", UNTIL)
    return directory


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
