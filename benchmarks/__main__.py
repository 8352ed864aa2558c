"""`python -m benchmarks`: one table of all figures, and the same as JSON beside it."""

import argparse
import json
from collections.abc import Iterable
from dataclasses import asdict
from itertools import chain
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import facts, http_to_sqlite, scrape, stored
from benchmarks.corpora import CACHE
from benchmarks.figures import RUNS, Figure

_WHOLE_FROM = 1000
RESULTS = CACHE / "figures.json"


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="stored and imported")
    parser.add_argument("--runs", type=int, default=RUNS, help="of which the median is given")
    options = parser.parse_args()
    CACHE.mkdir(parents=True, exist_ok=True)
    figures = list(
        chain(
            facts.run(options.runs),
            stored.run((10_000, options.rows), options.runs),
            scrape.run(options.runs),
            http_to_sqlite.run(options.rows, options.runs),
        )
    )
    _print(figures)
    _write(figures, RESULTS)


def _print(figures: Iterable[Figure]) -> None:
    table = Table("what", "figure", "goal", "met", "against")
    for figure in figures:
        table.add_row(
            figure.what,
            f"{_written(figure.value)} {figure.unit}",
            "" if figure.goal is None else str(figure.goal),
            {True: "yes", False: "no", None: ""}[figure.met],
            figure.against,
        )
    Console(width=160).print(table)


def _written(value: float) -> str:
    return f"{value:,.0f}" if value >= _WHOLE_FROM else f"{value:.3g}"


def _write(figures: Iterable[Figure], path: Path) -> None:
    path.write_text(json.dumps([asdict(figure) for figure in figures], indent=1))


if __name__ == "__main__":
    main()
