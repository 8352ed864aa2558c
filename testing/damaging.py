"""Damage to a SQLite file, as a bad disk does it."""

import os
from pathlib import Path

PAGE = 4096


def damage(path: Path, *, first: float = 0.0, share: float = 1.0) -> None:
    """Overwrite a share of the pages from a place on; never the first, which says whose it is."""
    pages = path.stat().st_size // PAGE
    begin = max(1, int(pages * first))
    end = min(pages, begin + max(1, int(pages * share)))
    with path.open("r+b") as file:
        file.seek(begin * PAGE)
        file.write(os.urandom((end - begin) * PAGE))
