"""The instants that a backfill has samples at."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from exporter.domain.interaction import Hour
from exporter.domain.windows import EPOCH, hour_of

_SECOND = timedelta(seconds=1)
_SECONDS_PER_HOUR = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Every multiple of `step` since 1970 from `start` to `end`, and `end` itself.

    So the same range twice has the same instants, and whatever is scraped from `end` on
    follows its last one closely. `end` is a full second, `step` whole minutes.
    """

    start: datetime
    end: datetime
    step: timedelta

    @property
    def hours(self) -> range:
        """The hours that the range touches."""
        return range(hour_of(self.start), hour_of(self.end) + 1)

    def __len__(self) -> int:
        return len(self._multiples(_seconds(self.start), _seconds(self.end))) + 1

    def seconds_in(self, hour: Hour) -> Sequence[int]:
        """Return the instants within an hour, in Unix seconds, ascending."""
        end = _seconds(self.end)
        first = max(hour * _SECONDS_PER_HOUR, _seconds(self.start))
        after = (hour + 1) * _SECONDS_PER_HOUR
        instants = list(self._multiples(first, min(after, end)))
        return [*instants, end] if hour == hour_of(self.end) else instants

    def _multiples(self, first: int, after: int) -> range:
        step = self.step // _SECOND
        return range(-(-first // step) * step, after, step)


def _seconds(when: datetime) -> int:
    """Return Unix seconds; a fraction counts up, so that nothing lies before `when`."""
    return -((EPOCH - when) // _SECOND)
