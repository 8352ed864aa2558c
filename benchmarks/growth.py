"""How costs grow with what is stored, as a table: `python -m benchmarks.growth`.

In processor time, medians of several runs; each column should stay as it is.
"""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import stored
from benchmarks.corpora import corpus, open_store_with_definitions, served
from benchmarks.figures import RUNS, median, processor_seconds
from benchmarks.http_to_sqlite import import_into

SIZES = (10_000, 100_000, 1_000_000, 5_000_000)
ANSWERS: dict[str, Callable[[Path, stored.Clock], float]] = {
    "snapshot": stored.snapshot_seconds,
    "report over 400 days": stored.report_seconds,
    "scrape": stored.scrape_seconds,
    "start": stored.start_seconds,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What things cost at one size: µs a row, MiB at most, milliseconds by name."""

    rows: int
    import_processor: float
    import_peak: float
    answers: dict[str, float]


def measure(rows: int, runs: int) -> Point:
    """Measure at one size."""
    imports = []
    with served(corpus(rows)) as url:
        for _ in range(runs):
            with tempfile.TemporaryDirectory() as folder:
                imports.append(import_into(Path(folder), url))
    file = open_store_with_definitions(rows)
    return Point(
        rows=rows,
        import_processor=median([one.processor for one in imports]),
        import_peak=max(one.peak for one in imports),
        answers={
            name: median([seconds(file, processor_seconds) * 1000 for _ in range(max(runs, RUNS))])
            for name, seconds in ANSWERS.items()
        },
    )


def table(points: Sequence[Point]) -> str:
    """Return the table of the documentation, a row a size."""
    titles = [
        "interactions",
        "import, µs each",
        "its memory, MiB",
        *(f"{one}, ms" for one in ANSWERS),
    ]
    lines = [titles, ["---:"] * len(titles)]
    for point in points:
        answers = [f"{point.answers[name]:.1f}" for name in ANSWERS]
        imported = [f"{point.import_processor:.1f}", f"{point.import_peak:.0f}"]
        lines.append([f"{point.rows:,}", *imported, *answers])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="interactions")
    parser.add_argument("--runs", type=int, default=RUNS, help="of which the median is shown")
    options = parser.parse_args()
    points = [measure(rows, options.runs) for rows in options.sizes]
    print(table(points))


if __name__ == "__main__":
    main()
