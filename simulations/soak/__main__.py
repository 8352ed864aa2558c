"""`python -m simulations.soak`: a month with random faults, in minutes; exit code 1 if it fails."""

import argparse
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from simulations.soak.month import Figures, Flat, soak
from simulations.stage import SPEED

MEBIBYTE = 1 << 20


def main() -> int:
    """Soak, and print what came out."""
    parser = argparse.ArgumentParser(prog="python -m simulations.soak", description=__doc__)
    parser.add_argument("--days", type=float, default=30.0, help="of simulated time")
    parser.add_argument("--speed", type=float, default=SPEED, help="simulated seconds a second")
    parser.add_argument("--seed", type=int, default=1, help="of the faults; the users are the same")
    parser.add_argument("--log", action="store_true", help="print what the daemon said, too")
    options = parser.parse_args()
    with TemporaryDirectory() as directory:
        figures = soak(
            Path(directory),
            length=timedelta(days=options.days),
            seed=options.seed,
            speed=options.speed,
        )
    console = Console(width=160, highlight=False)
    if options.log:
        for line in figures.said:
            console.print(line, markup=False, soft_wrap=True)
    table = Table("what", "figure", "held")
    for what, figure, held in _lines(figures):
        table.add_row(what, figure, {True: "[green]yes", False: "[bold red]NO", None: ""}[held])
    console.print(table)
    return 0 if figures.held else 1


def _lines(figures: Figures) -> Iterator[tuple[str, str, bool | None]]:
    faults = ", ".join(f"{group} {n}" for group, n in sorted(figures.faults.items()))
    yield "simulated time", f"{figures.length.days} days in {figures.seconds:.0f} s", None
    yield "faults", f"{sum(figures.faults.values())}: {faults}", None
    imports = ", ".join(f"{n:,} {result}" for result, n in figures.imports.items())
    yield "imports", f"at least {imports}", None
    yield "rows fetched for each that the source holds", f"{figures.fetched_ratio:.2f}", None
    yield (
        "interactions counted, and what the users did",
        f"{figures.counted:,.0f} of {figures.interactions:,}, on {figures.days} days",
        figures.counted == figures.interactions,
    )
    yield (
        "reports by day and by segment that equal the truth",
        f"{figures.compared - len(figures.wrong)} of {figures.compared}"
        + "".join(f"; {name}" for name in figures.wrong),
        not figures.wrong,
    )
    yield "missing, as the exporter says", f"{figures.missing:.0f}", figures.missing == 0
    yield "verify", figures.verified or "no difference", not figures.verified
    yield (
        "resident memory, at most",
        _flat(figures.memory, MEBIBYTE, " MiB"),
        figures.memory.is_flat,
    )
    yield (
        "open file descriptors, at least",
        _flat(figures.descriptors, 1, ""),
        figures.descriptors.is_flat,
    )
    yield "slowest scrape", f"{figures.slowest_answer_seconds * 1000:.0f} ms", None


def _flat(flat: Flat, unit: int, name: str) -> str:
    return (
        f"second third {flat.before / unit:.1f}{name}, last third {flat.after / unit:.1f}{name}"
        f" ({flat.growth:+.1%})"
    )


if __name__ == "__main__":
    sys.exit(main())
