"""The schedule: what runs when. The only file that names APScheduler."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from typing_extensions import override

from exporter.crash import end_without_schedule

_THREAD = "APScheduler"  # the scheduler's own name for its thread
WATCH_SECONDS = 10.0  # how often the clock is looked at
SET_BACK = timedelta(seconds=30)  # a clock that goes back by less waits for itself


class _Next(BaseTrigger):  # type: ignore[misc]
    """When work is due again, seen from now.

    APScheduler's own triggers go through every run that was missed: 100,000 of them, when a
    clock leaps ahead by a year. Here all those missed are one.
    """

    def __init__(self, after: Callable[[datetime], datetime]) -> None:
        self._after = after

    @override
    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        return self._after(now)


def _next_hour(now: datetime) -> datetime:
    return now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


class Schedule:
    """Runs work in threads of its own; the same work never twice at once.

    `now` reads the clock. If it is set back, what is scheduled runs at once, instead of when
    the clock has come as far again; if it is set forward, what was missed runs once. Where the
    thread that starts all work has died, the process ends: a restart heals that.
    """

    def __init__(
        self, now: Callable[[], datetime], *, watch_seconds: float = WATCH_SECONDS
    ) -> None:
        self.now = now
        self._watch_seconds = watch_seconds
        self._stopping = threading.Event()
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(4)},
            job_defaults={
                "coalesce": True,
                "max_instances": 1,
                "misfire_grace_time": None,  # late is better than not at all
            },
        )

    def every(
        self, interval: timedelta, name: str, work: Callable[[], None], *, first: datetime
    ) -> None:
        """Run work at `first` and then at each interval; the same name again replaces it."""
        self._scheduler.add_job(
            work,
            _Next(lambda now: now + interval),
            id=name,
            replace_existing=True,
            next_run_time=first,
        )

    def hourly(self, name: str, work: Callable[[], None]) -> None:
        """Run work at each full hour."""
        self._scheduler.add_job(work, _Next(_next_hour), id=name, replace_existing=True)

    def start(self) -> None:
        """Start the schedule."""
        self._scheduler.start()
        threading.Thread(target=self._watch, name="clock", daemon=True).start()

    def _watch(self) -> None:
        """Compare the clock with one that nobody sets, and see that the scheduler lives."""
        before, since = self.now(), time.monotonic()
        while not self._stopping.wait(self._watch_seconds):
            if not any(thread.name == _THREAD for thread in threading.enumerate()):
                end_without_schedule()
            now, later = self.now(), time.monotonic()
            if now < before + timedelta(seconds=later - since) - SET_BACK:
                for job in self._scheduler.get_jobs():
                    job.modify(next_run_time=now)
            before, since = now, later

    def stop(self) -> None:
        """Stop starting jobs; one that runs is not waited for."""
        self._stopping.set()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
