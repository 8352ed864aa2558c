"""What the rules say of a past that is all in the database of a real Prometheus."""

import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from simulations.year.inlining import Inliner
from simulations.year.server import HOUR_SECONDS, Series, Server, server
from testing.rulebook import recorded

BEHIND = "job_instance:kpi_snapshot_timestamp_seconds:stale"
# No exporter is behind another, and nothing is late. Of arrivals a backfill knows nothing.
NEVER = frozenset(
    {
        BEHIND,
        "job_window:kpi_expected_completeness_ratio:max",
        "job_lookback:kpi_exporter_import_interactions:increase",
    }
)
# Chosen from by label, or read by very many: too much for one expression, so stored first.
LAYERS = (
    ("job_window:kpi_quiet_day_age_seconds:max",),
    (
        "job_window_segment_outcome:kpi_dialogs:sum",
        "job_window_segment:kpi_bounces_signed_in:sum",
        "job_window_flow_step:kpi_flow_step_interactions:sum",
        "job_window_flow_step:kpi_flow_step_dropoff_ratio:max",
        "job_window_flow_step:kpi_flow_step_ratio:now",
        "job_window:kpi_sign_in_attempts:sum",
        "job_ratio:kpi_failure_ratio:daily_stddev",
        "job_ratio:kpi_failure_ratio:month",
    ),
    ("job_hour_outcome:kpi_dialogs:sum", "job_hour:kpi_bounces_signed_in:sum"),
    ("job_hour_outcome:kpi_dialogs:added", "job_hour:kpi_bounces_signed_in:added"),
    ("job_window_ratio:kpi_trials:sum", "job_window_ratio:kpi_failures:sum"),
    (
        "job_window_ratio:kpi_trials:now",
        "job_window_ratio:kpi_failures:now",
        "job_window_ratio:kpi_failure_ratio:now",
        "job_window_ratio:kpi_failure_ratio:week",
        "global:kpi_false_alarm:probability",
        "global:kpi_false_alarm:zscore",
    ),
    ("job_window_ratio:kpi_failure_ratio:lowest_week",),
    ("job_window_ratio:kpi_failure_ratio:highest_week",),
    ("job_window_ratio:kpi_failure_ratio:odd_week",),
    ("job_window_ratio:kpi_trials:past", "job_window_ratio:kpi_failures:past"),
    ("job_window_ratio:kpi_failure_ratio:past", "job_window_ratio:kpi_failure_ratio:rise"),
    (
        "job_window_ratio:kpi_failure_ratio:high",
        "job_window_ratio:kpi_failure_ratio:rising",
        "job_window_duration:kpi_duration_median_seconds:slow",
    ),
)
_BLOCK = "13122h"  # one for the whole year, because promtool reads all samples for each
_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\""})


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A Prometheus that holds what the rules read."""

    server: Server
    inliner: Inliner

    def hours(self, expr: str) -> list[tuple[dict[str, str], list[int]]]:
        """For each series that an expression gives: its labels, and at which Unix hours."""
        return [
            (labels, [second // HOUR_SECONDS for second in seconds])
            for labels, seconds in self.seconds(expr)
        ]

    def seconds(self, expr: str) -> list[tuple[dict[str, str], list[int]]]:
        """For each series that an expression gives: its labels, and at which Unix seconds."""
        return [
            (series.metric, [int(at) for at, _ in series.values])
            for series in self.server.stepwise(self.inliner.expand(expr))
        ]

    def value(self, expr: str, at: datetime) -> float:
        return self.server.value(self.inliner.expand(expr), at)


@dataclass(slots=True, kw_only=True)
class Replay:
    """A database that takes in samples, then the rules' results, one layer after the other."""

    prometheus: Path
    promtool: Path
    directory: Path
    start: datetime
    end: datetime
    step_seconds: int = HOUR_SECONDS
    stored: set[str] = field(default_factory=lambda: set(NEVER))
    """Names of rules that are not evaluated any more."""

    def begin(self, lines: Callable[[], Iterable[bytes]]) -> None:
        """Begin with a history, given as lines of OpenMetrics, unless the directory holds it."""
        history, blocks = (self.directory / name for name in ("history", "tsdb"))
        shutil.rmtree(blocks, ignore_errors=True)
        if not history.exists():
            self.add(lines())
            blocks.rename(history)
        shutil.copytree(history, blocks)

    def add(self, lines: Iterable[bytes]) -> None:
        """Take in samples, as lines of OpenMetrics."""
        path = self.directory / "samples.om"
        with path.open("wb") as file:
            file.writelines(lines)
            if not file.tell():
                return
            file.write(b"# EOF\n")
        subprocess.run(
            [
                self.promtool,
                "tsdb",
                "create-blocks-from",
                f"--max-block-duration={_BLOCK}",
                "openmetrics",
                "--quiet",
                path,
                self.directory / "tsdb",
            ],
            check=True,
        )
        path.unlink()

    def record(self) -> None:
        """Evaluate and store what the other rules read."""
        for layer in LAYERS:
            with self.asking() as question:
                self.add(
                    line
                    for rule in recorded()
                    if rule.name in layer and rule.name not in self.stored
                    # `+ 0` takes names away, so that what an `or` joins is one series, in order.
                    for series in question.server.stepwise(
                        f"({question.inliner.expand(rule.expr)}) + 0"
                    )
                    for line in _lines(rule.name, series.metric | rule.labels, series)
                )
            self.stored.update(layer)

    @contextmanager
    def asking(self) -> Iterator[Question]:
        """Run on what is there."""
        with server(
            self.prometheus, self.directory, self.start, self.end, self.step_seconds
        ) as running:
            yield Question(server=running, inliner=Inliner(frozenset(self.stored)))


def _lines(name: str, labels: dict[str, str], series: Series) -> Iterator[bytes]:
    written = ",".join(
        f'{label}="{value.translate(_ESCAPED)}"'
        for label, value in labels.items()
        if label != "__name__"
    )
    begin = f"{name}{{{written}}} "
    yield "".join([f"{begin}{value} {at:.0f}\n" for at, value in series.values]).encode()
