"""Status: what the exporter knows of its own work, for `/metrics` and the page."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import nan

from exporter.domain.interaction import Reason
from exporter.domain.lateness import Lateness
from exporter.ports import RESULTS, AddResult, Balance, RebuildProgress, StoreStats

DURATION_BUCKETS_SECONDS = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Observations by bucket (not cumulative; the last is for all beyond) and their sum."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float = 0.0

    def observe(self, value: float) -> "Histogram":
        """Count an observation."""
        place = next((i for i, bound in enumerate(self.bounds) if value <= bound), -1)
        counts = list(self.counts)
        counts[place] += 1
        return replace(self, counts=tuple(counts), sum=self.sum + value)


def empty_histogram(bounds: tuple[float, ...]) -> Histogram:
    """Return a histogram without observations."""
    return Histogram(bounds=bounds, counts=(0,) * (len(bounds) + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The state of the exporter's work at one instant. Counters since the process began.

    `importing`: whether there is a source; without one, nothing is known of it or of imports.
    """

    importing: bool = True
    source_up: bool | None = None
    store_up: bool | None = None
    source_interactions: float = nan
    stats: StoreStats | None = None
    missing: float = nan
    unreachable: int = 0
    lateness: Lateness = field(default_factory=Lateness)
    running: bool = False
    progress: float = 0.0  # of the running import, from 0 to 1
    runs: Mapping[str, int] = field(default_factory=lambda: {"success": 0, "failure": 0})
    interactions: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(RESULTS, 0))
    late: int = 0
    durations: Histogram = field(default_factory=lambda: empty_histogram(DURATION_BUCKETS_SECONDS))
    import_interval_seconds: float = nan
    last_attempt: datetime | None = None
    last_success: datetime | None = None
    last_error: str = ""
    rebuild: RebuildProgress | None = None
    reload_successful: bool = True
    reload_success: datetime | None = None

    @property
    def newest_interaction(self) -> datetime | None:
        """The newest timestamp stored; None while nothing is known."""
        return None if self.stats is None else self.stats.newest

    @property
    def rejected(self) -> Mapping[Reason, int]:
        """Rejected rows that are kept, by reason; every reason is there."""
        rejected = {} if self.stats is None else self.stats.rejected
        return {reason: rejected.get(reason, 0) for reason in Reason}


class StatusRecorder:
    """Keeps `Status` up to date: what happened goes in, the state at this instant comes out.

    For several threads at once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = Status()
        self._refused: frozenset[str] = frozenset()  # the uses of the store that failed last time

    @property
    def status(self) -> Status:
        """The state now; it does not change afterwards."""
        return self._now

    def _change(self, **changes: object) -> None:
        with self._lock:
            self._now = replace(self._now, **changes)  # type: ignore[arg-type]

    def importing(self, *, from_source: bool) -> None:
        """Record whether there is a source to import from."""
        self._change(importing=from_source)

    def import_interval_changed(self, interval: timedelta) -> None:
        """Record the interval at which imports follow one another from now on."""
        self._change(import_interval_seconds=interval.total_seconds())

    def import_started(self, at: datetime) -> None:
        """Record that an import started."""
        self._change(running=True, progress=0.0, last_attempt=at)

    def batch_stored(self, added: AddResult, late: int) -> None:
        """Record a stored batch; `late` of it behind the newest hour already complete."""
        with self._lock:
            before = self._now
            self._now = replace(
                before,
                interactions={
                    result: before.interactions[result] + n for result, n in added.counts.items()
                },
                late=before.late + late,
                source_up=True,
            )

    def import_advanced(self, progress: float) -> None:
        """Record how far the running import has come, from 0 to 1."""
        self._change(progress=progress)

    def import_finished(self, at: datetime, took: timedelta, error: str = "") -> None:
        """Record that an import finished; `error` is why it failed, empty if it did not."""
        with self._lock:
            before = self._now
            result = "failure" if error else "success"
            self._now = replace(
                before,
                running=False,
                runs={**before.runs, result: before.runs[result] + 1},
                durations=before.durations.observe(took.total_seconds()),
                last_success=before.last_success if error else at,
                last_error=error,
            )

    def import_cancelled(self) -> None:
        """Record that the running import was stopped; it neither succeeded nor failed."""
        self._change(running=False)

    def source_used(self, *, worked: bool) -> None:
        """Record whether the source answered."""
        self._change(source_up=worked)

    def store_used(self, use: str, *, worked: bool) -> None:
        """Record whether the store did what was asked; it is up when no use of it failed last time.

        A disk that is full can be read, which must not hide that nothing can be written.
        """
        with self._lock:
            self._refused = self._refused - {use} if worked else self._refused | {use}
            self._now = replace(self._now, store_up=not self._refused)

    def both_counted(self, balance: Balance, stats: StoreStats) -> None:
        """Record the counts of both sides."""
        source, missing = balance.source, balance.missing
        self._change(
            source_interactions=nan if source is None else source,
            missing=nan if missing is None else missing,
            unreachable=balance.unreachable,
            stats=stats,
        )

    def lateness_changed(self, lateness: Lateness) -> None:
        """Record what is known of how late interactions are."""
        self._change(lateness=lateness)

    def store_counted(self, stats: StoreStats) -> None:
        """Record the counts of the store."""
        self._change(stats=stats)

    def rebuilt(self, progress: RebuildProgress) -> None:
        """Record a rebuilt portion of the tallies; the last one finishes it."""
        self._change(rebuild=None if progress.finished else progress)

    def reloaded(self, at: datetime, *, successful: bool) -> None:
        """Record that the configuration was read again."""
        if successful:
            self._change(reload_successful=True, reload_success=at)
        else:
            self._change(reload_successful=False)
