"""The plan alone against a source in numbers: rows by hour, a rate of answering, no wire."""

from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from random import Random

from exporter.ingest import plan
from exporter.ingest.plan import Counts, Ledger
from exporter.ingest.sweeps import Sweeps

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROWS_PER_SECOND = 5_000.0  # of the real server: 50,000 in 3 to 10 seconds
RANGE_ROWS = 10_000


class PureWorld:
    """A source whose rows are numbers by hour, and what is accounted for of them.

    `late_share` of the rows come one hour to 60 days late, evenly by the logarithm of that.
    """

    def __init__(
        self,
        *,
        rows: int,
        days: int,
        late_share: float = 0.0,
        every: timedelta = 5 * MINUTE,
        sweeps: Sweeps = Sweeps(),  # noqa: B008 -- a value
    ) -> None:
        self.now = NOW
        self.per_hour = rows / (days * 24)
        self.every = every
        self.sweeps = sweeps
        self.late_share = late_share
        self.out_of_reach = 0
        self.longest_wait = timedelta(0)
        self._random = Random(7)
        self._start = NOW - days * DAY
        self._first_hour = self._hour(self._start)
        self.held = {hour: int(self.per_hour) for hour in self._hours(self._start, NOW)}
        self.here = dict(self.held)
        self._coming: list[tuple[datetime, int]] = []
        self._waiting: dict[int, list[datetime]] = {}
        self._total_held, self._total_here = sum(self.held.values()), sum(self.here.values())
        self._ledger: Ledger | None = Ledger(first=self._start, asked=NOW, swept=NOW, surplus=0)

    @property
    def missing(self) -> int:
        assert self._ledger is not None
        source = self._total_held + self.out_of_reach
        return max(0, source - self._total_here - (self._ledger.surplus or 0))

    def post(self, ago: timedelta) -> int:
        """Let a row arrive now; return its hour."""
        hour = self._hour(self.now - ago)
        self.held[hour] = self.held.get(hour, 0) + 1
        self._total_held += 1
        self._waiting.setdefault(hour, []).append(self.now)
        return hour

    def live(self, length: timedelta) -> float:
        """Let time pass; return the share of the source's time that fetching again took."""
        busy = 0.0
        for _ in range(length // self.every):
            self._pass_time()
            busy += self.import_once()
        return busy / length.total_seconds()

    def import_once(self) -> float:
        """Import what is new, then carry out the plan; return the seconds that the latter took."""
        before = self._ledger
        ledger = plan.opened(before, self.now, 90 * DAY)
        source, accounted = self._total_held + self.out_of_reach, self._total_here
        self._fetch(self.now - HOUR, self.now + HOUR)
        counts = Counts(
            source_before=source,
            accounted_before=accounted,
            source=source,
            accounted=self._total_here,
        )
        planned = plan.planned(ledger, counts, self.now, sweeps=self.sweeps, retention=400 * DAY)
        ledger, spent = planned.ledger, 0.0
        budget, rows_left = plan.budget_seconds(before, self.now, self.sweeps), self.sweeps.rows
        enough = False
        for n, part in enumerate(planned.ranges):
            shares = len(planned.ranges) - n
            share_ends, share_rows, rows = spent + (budget - spent) / shares, rows_left / shares, 0
            at = part.end
            while at > part.start and not enough and spent < share_ends and rows < share_rows:
                length = max(HOUR, RANGE_ROWS / max(self.per_hour, 1) * HOUR)
                bound = max(at - length, part.start)
                fetched = self._fetch(bound, at)
                rows, spent, at = rows + fetched, spent + fetched / ROWS_PER_SECOND, bound
                ledger = plan.fetched(ledger, part.tier, at)
                enough = not planned.whole and plan.is_nothing_missing(
                    ledger, source, self._total_here
                )
            rows_left -= rows
        if not enough and plan.is_covered(ledger):
            ledger = plan.concluded(
                ledger, self._total_held + self.out_of_reach, self._total_here, self.now
            )
        self._ledger = ledger
        return spent

    def _pass_time(self) -> None:
        self.now += self.every
        new = self.per_hour * (self.every / HOUR)
        for _ in range(int(new) + (self._random.random() < new % 1)):
            if self._random.random() < self.late_share:
                lateness = HOUR * (24 * 60) ** self._random.random()
                heappush(self._coming, (self.now + lateness, self._hour(self.now)))
            else:
                hour = self._hour(self.now)
                self.held[hour] = self.held.get(hour, 0) + 1
                self._total_held += 1
        while self._coming and self._coming[0][0] <= self.now:
            _, hour = heappop(self._coming)
            self.held[hour] = self.held.get(hour, 0) + 1
            self._total_held += 1
            self._waiting.setdefault(hour, []).append(self.now)

    def _fetch(self, start: datetime, end: datetime) -> int:
        fetched = 0
        for hour in self._hours(start, end):
            rows = self.held.get(hour, 0)
            fetched += rows
            self._total_here += rows - self.here.get(hour, 0)
            self.here[hour] = rows
            for arrived in self._waiting.pop(hour, ()):
                self.longest_wait = max(self.longest_wait, self.now - arrived)
        return fetched

    def is_here(self, hour: int) -> bool:
        return hour not in self._waiting

    def _hours(self, start: datetime, end: datetime) -> range:
        return range(self._hour(start), self._hour(end) + 1)

    def _hour(self, at: datetime) -> int:
        return int(at.timestamp() // 3600)


def hours_to_visible(world: PureWorld, days_late: float, *, tries: int = 12) -> float:
    """Return how long the slowest of some late rows waited to be counted, in hours."""
    slowest = timedelta(0)
    random = Random(3)
    for _ in range(tries):
        world.live(random.randrange(1, 40) * world.every)
        world._pass_time()  # noqa: SLF001
        posted = world.now
        hour = world.post(days_late * DAY)
        world.import_once()
        while not world.is_here(hour):
            world._pass_time()  # noqa: SLF001
            world.import_once()
        slowest = max(slowest, world.now - posted)
    return slowest / HOUR
