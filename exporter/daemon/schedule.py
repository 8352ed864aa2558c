"""The schedule: what runs when. The only file that names APScheduler."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

MISFIRE_GRACE_SECONDS = 3600
WATCH_SECONDS = 10.0  # how often the clock is looked at
SET_BACK = timedelta(seconds=30)  # a clock that goes back by less waits for itself


class Schedule:
    """Runs work in threads of its own; the same work never twice at once.

    `now` reads the clock. If it is set back, what is scheduled runs at once, instead of when
    the clock has come as far again.
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
                "misfire_grace_time": MISFIRE_GRACE_SECONDS,
            },
        )

    def every(
        self, interval: timedelta, name: str, work: Callable[[], None], *, first: datetime
    ) -> None:
        """Run work at `first` and then at each interval; the same name again replaces it."""
        self._scheduler.add_job(
            work,
            IntervalTrigger(seconds=int(interval.total_seconds()), timezone=UTC),
            id=name,
            replace_existing=True,
            next_run_time=first,
        )

    def hourly(self, name: str, work: Callable[[], None]) -> None:
        """Run work at each full hour."""
        self._scheduler.add_job(
            work, CronTrigger(minute=0, timezone=UTC), id=name, replace_existing=True
        )

    def start(self) -> None:
        """Begin."""
        self._scheduler.start()
        threading.Thread(target=self._watch, name="clock", daemon=True).start()

    def _watch(self) -> None:
        """Compare the clock with one that nobody sets."""
        before, since = self.now(), time.monotonic()
        while not self._stopping.wait(self._watch_seconds):
            now, later = self.now(), time.monotonic()
            if now < before + timedelta(seconds=later - since) - SET_BACK:
                for job in self._scheduler.get_jobs():
                    job.modify(next_run_time=now)
            before, since = now, later

    def stop(self) -> None:
        """Begin nothing new; what runs is not waited for."""
        self._stopping.set()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
