"""How costs grow with what is stored, as pictures: `python -m benchmarks.growth`.

In processor time, medians of several runs; the curves should be flat.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture

from benchmarks import stored
from benchmarks.corpora import CACHE, CHECKOUT, corpus, open_store_with_definitions, served
from benchmarks.figures import RUNS, median, processor_seconds
from benchmarks.http_to_sqlite import import_into

SIZES = (10_000, 100_000, 1_000_000, 5_000_000)
PICTURES = CHECKOUT / "docs" / "pictures"
RESULTS = CACHE / "growth.json"
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


def draw(points: Sequence[Point], directory: Path) -> None:
    """Draw both pictures."""
    sizes = [point.rows for point in points]
    imports = Picture(figsize=(8, 3), layout="constrained")
    time, peak = imports.subplots(1, 2)
    _curve(time, sizes, [point.import_processor for point in points], "µs an interaction")
    _curve(peak, sizes, [point.import_peak for point in points], "MiB of memory at most")
    imports.savefig(directory / "growth-import.png", dpi=120)
    answers = Picture(figsize=(8, 3.5), layout="constrained")
    axes = answers.subplots()
    for name in ANSWERS:
        axes.plot(sizes, [point.answers[name] for point in points], marker="o", label=name)
    axes.set(xscale="log", yscale="log", xlabel="interactions stored", ylabel="milliseconds")
    axes.grid(visible=True, alpha=0.3)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    answers.savefig(directory / "growth-answers.png", dpi=120)


def _curve(axes: Axes, sizes: Sequence[int], values: Sequence[float], unit: str) -> None:
    axes.plot(sizes, values, marker="o")
    axes.set(xscale="log", xlabel="interactions imported", ylabel=unit, ylim=(0, None))
    axes.grid(visible=True, alpha=0.3)


def main() -> None:
    """Measure and draw."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="interactions")
    parser.add_argument("--runs", type=int, default=RUNS, help="of which the median is drawn")
    options = parser.parse_args()
    points = [measure(rows, options.runs) for rows in options.sizes]
    RESULTS.write_text(json.dumps([asdict(point) for point in points], indent=1))
    draw(points, PICTURES)


if __name__ == "__main__":
    main()
