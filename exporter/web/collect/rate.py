"""The rate of interactions, over all clients: a bucket that fills by the second."""

from collections.abc import Callable
from time import monotonic


class Rate:
    """Takes so many a second on average, and as many at once after a quiet second.

    A request is taken whole while anything is left: one that brings more than that makes those
    after it wait.
    """

    def __init__(self, per_second: int, *, now: Callable[[], float] = monotonic) -> None:
        self._per_second = per_second
        self._now = now
        self._left = float(per_second)
        self._at = now()

    def wait_seconds(self) -> float:
        """Return for how long nothing more is taken; 0 if something is."""
        now = self._now()
        self._left = min(self._per_second, self._left + (now - self._at) * self._per_second)
        self._at = now
        return 0.0 if self._left > 0 else (1 - self._left) / self._per_second

    def take(self, interactions: int) -> None:
        """Count what was taken."""
        self._left -= interactions
