"""How much is taken over all clients: a bucket that fills by the second."""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """So many a second on average, and `burst` at once after a quiet time."""

    per_second: float
    burst: float


class Rate:
    """Takes as many as the limit says.

    What comes at once is taken whole while anything is left: one that brings more than that makes
    those after it wait.
    """

    def __init__(self, limit: RateLimit, *, now: Callable[[], float] = monotonic) -> None:
        self.limit = limit
        self._now = now
        self._left = float(limit.burst)
        self._at = now()

    def wait_seconds(self) -> float:
        """Return for how long nothing more is taken; 0 if something is."""
        self._fill()
        return 0.0 if self._left > 0 else (1 - self._left) / self.limit.per_second

    def take(self, number: int) -> None:
        """Count what was taken."""
        self._left -= number

    def take_one(self) -> float:
        """Use one if there is room; return for how long there is none, 0 if it was taken."""
        self._fill()
        if self._left < 1:
            return (1 - self._left) / self.limit.per_second
        self.take(1)
        return 0.0

    def _fill(self) -> None:
        now = self._now()
        gained = (now - self._at) * self.limit.per_second
        self._left = min(self.limit.burst, self._left + gained)
        self._at = now
