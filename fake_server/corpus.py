"""Interactions by the million, written once and served from disk.

``python -m fake_server.corpus DIR --rows 1000000 --days 28`` writes

- ``rows``: the rows of one backend, in order of time, each followed by a comma,
- ``timestamps``, ``offsets``: a 64-bit number for each row, and one more offset for the end,
- ``truth.json``: as `fake_server.truth` describes,
- ``corpus.json``: what it was made from; written last, so a directory with it is complete.

``python -m fake_server --file DIR`` serves it.
"""

import argparse
import json
import sys
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from multiprocessing import get_context
from operator import attrgetter
from pathlib import Path
from typing import Final

from fake_server.crowd import Crowd
from fake_server.incidents import instant, read_incidents
from fake_server.rows import Record, from_plan
from fake_server.truth import Truth

ROW_OF: Final = {"couchdb": Record.couchdb_row, "memory": Record.memory_row}


def write(
    directory: Path,
    *,
    backend: str,
    crowd: Crowd,
    since: datetime,
    until: datetime,
    rows_at_once: int = 50_000,
) -> Truth:
    """Write a corpus of what a crowd does in a range, on all processors if it is a long one."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "corpus.json").unlink(missing_ok=True)
    truth, size, count = Truth(durations=False), 0, 0
    cuts = list(_cuts(since, until, timedelta(days=rows_at_once / crowd.per_day)))
    with (
        ExitStack() as started,
        (directory / "rows").open("wb") as rows,
        (directory / "offsets").open("wb") as offsets,
        (directory / "timestamps").open("wb") as timestamps,
    ):
        each: Callable[..., Iterable[_Part]] = map
        if len(cuts) > 1:
            workers = ProcessPoolExecutor(mp_context=get_context("spawn"))
            each = started.enter_context(workers).map
        for part in each(partial(_written, backend, crowd), cuts):
            rows.write(part.rows)
            array("Q", (size + one for one in part.offsets)).tofile(offsets)
            part.timestamps.tofile(timestamps)
            truth.merge(part.truth)
            size += len(part.rows)
            count += len(part.timestamps)
        array("Q", [size]).tofile(offsets)
    (directory / "truth.json").write_text(json.dumps(truth.as_json()), encoding="utf-8")
    facts = {
        "backend": backend,
        "rows": count,
        "bytes": size,
        "seed": crowd.seed,
        "per_day": crowd.per_day,
        "since": since.isoformat(),
        "until": until.isoformat(),
    }
    (directory / "corpus.json").write_text(json.dumps(facts), encoding="utf-8")
    return truth


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    rows: bytes
    offsets: "array[int]"
    timestamps: "array[int]"
    truth: Truth


def _written(backend: str, crowd: Crowd, between: tuple[datetime, datetime]) -> _Part:
    plans = list(crowd.plans(*between))
    records = sorted(map(from_plan, plans), key=attrgetter("timestamp", "id"))
    render = ROW_OF[backend]
    rows, offsets, size = [], array("Q"), 0
    for record in records:
        row = render(record)
        offsets.append(size)
        size += len(row) + 1
        rows.append(row)
    truth = Truth(durations=False)
    truth.add(plans)
    return _Part(
        rows=b"".join(row + b"," for row in rows),
        offsets=offsets,
        timestamps=array("q", (record.timestamp for record in records)),
        truth=truth,
    )


def _cuts(
    since: datetime, until: datetime, length: timedelta
) -> Iterator[tuple[datetime, datetime]]:
    while since < until:
        end = min(since + length, until)
        yield since, end
        since = end


def main(arguments: Sequence[str] | None = None) -> int:
    """Write a corpus, and say what is in it."""
    parser = argparse.ArgumentParser(
        prog="python -m fake_server.corpus", description="Write a corpus of interactions."
    )
    parser.add_argument("directory", type=Path)
    parser.add_argument("--backend", choices=sorted(ROW_OF), default="couchdb")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rows", type=int, default=1_000_000, help="about so many; %(default)s")
    parser.add_argument("--days", type=float, default=28.0, help="whole weeks keep near to --rows")
    parser.add_argument("--until", type=instant, default=instant("2026-11-01"))
    parser.add_argument("--incidents", type=Path, help="as pydoc fake_server.incidents says")
    chosen = parser.parse_args(arguments)
    incidents = read_incidents(chosen.incidents) if chosen.incidents else ()
    write(
        chosen.directory,
        backend=chosen.backend,
        crowd=Crowd(seed=chosen.seed, per_day=chosen.rows / chosen.days, incidents=incidents),
        since=chosen.until - timedelta(days=chosen.days),
        until=chosen.until,
    )
    sys.stdout.write((chosen.directory / "corpus.json").read_text(encoding="utf-8") + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
