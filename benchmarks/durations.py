"""What durations cost: the same with Persona's four and with none, in turn.

`python -m benchmarks.durations` measures these alone.
"""

import argparse
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks.corpora import DAYS, corpus, last_rows, served
from benchmarks.figures import RUNS, Figure, Goal, median, print_table, processor_seconds
from benchmarks.http_to_sqlite import import_into
from benchmarks.stored import NOW, expose, forget_sums, opened
from exporter.config import load
from exporter.domain.interaction import Interaction, Row
from exporter.ports import Batch

ROWS = 100_000
SNAPSHOTS = 5  # of each store, the median of which counts
IMPORT = "processor time of an import"
GOALS = {IMPORT: Goal(at_most=1.15)}
NONE: Mapping[str, object] = {"durations": {}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one run took.

    `importing`: µs of processor time a row; `first` and `snapshot`: ms of processor time of a
    snapshot, the first one and those after an import; `tallies`: bytes on disk of a day's;
    `scrape` and `series`: bytes and series of a scrape.
    """

    importing: float
    first: float
    snapshot: float
    tallies: float
    scrape: int
    series: int


def measured(rows: int, url: str, **more: object) -> Cost:
    """Import a corpus, take snapshots of the store, scrape."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        importing = import_into(folder, url, **more).processor
        config = load(folder / "config.yml", {})
        store, evaluator = opened(folder / "kpi.db", config)
        with closing(store):
            forget_sums()
            first = processor_seconds(lambda: expose(store, evaluator, config))
            snapshots = []
            for row in last_rows(rows, SNAPSHOTS):
                new = evaluator.read([Row(f"new {row.id}", row.raw)], 1 << 62)
                store.add(Batch(interactions=[v for v in new if isinstance(v, Interaction)]), NOW)
                snapshots.append(processor_seconds(lambda: expose(store, evaluator, config)))
            text = expose(store, evaluator, config).scrape(accept="", compress=False).content
        with closing(sqlite3.connect(folder / "kpi.db")) as db:
            (tallies,) = db.execute(
                "select sum(pgsize) from dbstat where name = 'tallies'"
            ).fetchone()
    return Cost(
        importing=importing,
        first=first * 1000,
        snapshot=median(snapshots) * 1000,
        tallies=tallies / DAYS,
        scrape=len(text),
        series=sum(not line.startswith(b"#") for line in text.splitlines()),
    )


def run(rows: int = ROWS, runs: int = RUNS) -> Iterator[Figure]:
    """Measure both in turn."""
    with served(corpus(rows)) as url:
        both = [(measured(rows, url), measured(rows, url, **NONE)) for _ in range(runs)]
    for what, unit, scale, cost in _COSTS:
        for words, number in (("without durations", 1), ("with Persona's durations", 0)):
            value = median([cost(pair[number]) / scale for pair in both])
            yield Figure(what=f"{what}, {words}", value=value, unit=unit)
        yield Figure(
            what=f"{what}, with durations",
            value=median([cost(one) / cost(none) for one, none in both]),
            unit="of that without",
            goal=GOALS.get(what),
        )


_COSTS: Sequence[tuple[str, str, int, Callable[[Cost], float]]] = (
    (IMPORT, "µs an interaction", 1, lambda cost: cost.importing),
    ("first snapshot", "ms", 1, lambda cost: cost.first),
    ("snapshot after an import", "ms", 1, lambda cost: cost.snapshot),
    ("tallies of a day in SQLite", "KB", 1000, lambda cost: cost.tallies),
    ("a scrape", "KB", 1000, lambda cost: cost.scrape),
    ("series of a scrape", "series", 1, lambda cost: cost.series),
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.durations", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help="imported")
    parser.add_argument("--runs", type=int, default=RUNS, help="of which the median is given")
    options = parser.parse_args()
    print_table(run(options.rows, options.runs))


if __name__ == "__main__":
    main()
