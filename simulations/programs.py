"""Programs that have to be installed."""

import shutil
from pathlib import Path


def program(name: str) -> Path:
    """Return where a program of Debian's package `prometheus` is."""
    found = shutil.which(name)
    if found is None:
        raise SystemExit(f"{name} is missing; as root: apt-get install prometheus")
    return Path(found)
