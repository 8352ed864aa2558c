"""A clock that goes as fast as it is told, and a schedule that goes by it."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from exporter.daemon.schedule import Schedule

SHORTEST_SECONDS = 0.02
"""Between one run and the next, however fast the clock is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FastClock:
    """Shows `start` at `began`, by the machine's clock, and goes `speed` times as fast.

    Every process that is told these three shows the same time.
    """

    start: datetime
    began: float
    speed: float

    def __call__(self) -> datetime:
        since = time.time() - self.began  # noqa: TID251 -- the one that all processes share
        return self.start + timedelta(seconds=since * self.speed)

    def seconds(self, length: timedelta) -> float:
        """How long that takes, in seconds of the machine."""
        return length.total_seconds() / self.speed

    def arguments(self) -> list[str]:
        """For a command line; `FastClock.of` reads them."""
        return [self.start.isoformat(), repr(self.began), repr(self.speed)]

    @classmethod
    def of(cls, start: str, began: str, speed: str) -> "FastClock":
        """Read what `arguments` wrote."""
        return cls(start=datetime.fromisoformat(start), began=float(began), speed=float(speed))

    @classmethod
    def starting(cls, start: datetime, *, speed: float) -> "FastClock":
        """Begin now."""
        return cls(start=start, began=time.time(), speed=speed)  # noqa: TID251 -- as above


class FastSchedule(Schedule):
    """Each work in a thread of its own, so often in the clock's time."""

    def __init__(self, clock: FastClock) -> None:
        super().__init__(clock)
        self._clock = clock
        self._ended: dict[str, threading.Event] = {}
        self._begun = threading.Event()

    def every(
        self, interval: timedelta, name: str, work: Callable[[], None], *, first: datetime
    ) -> None:
        """See `Schedule`."""
        ended = threading.Event()
        self._ended.get(name, threading.Event()).set()
        self._ended[name] = ended

        def run() -> None:
            self._begun.wait()
            due = first
            while not ended.wait(max(SHORTEST_SECONDS, self._clock.seconds(due - self._clock()))):
                due = next_whole(self._clock(), interval)
                work()

        threading.Thread(target=run, name=name, daemon=True).start()

    def hourly(self, name: str, work: Callable[[], None]) -> None:
        """See `Schedule`; at the full hour, or as soon as the machine can."""
        self.every(timedelta(hours=1), name, work, first=self._clock())

    def start(self) -> None:
        """See `Schedule`."""
        self._begun.set()

    def stop(self) -> None:
        """See `Schedule`."""
        self._begun.set()
        for ended in self._ended.values():
            ended.set()


def next_whole(now: datetime, interval: timedelta) -> datetime:
    """The next whole interval since 1970."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return now - (now - epoch) % interval + interval
