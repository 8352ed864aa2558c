"""The schedule: what runs when. The only file that names APScheduler."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

MISFIRE_GRACE_SECONDS = 3600


class Schedule:
    """Runs work in threads of its own; the same work never twice at once."""

    def __init__(self) -> None:
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

    def stop(self) -> None:
        """Begin nothing new; what runs is not waited for."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
