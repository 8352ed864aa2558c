"""Retention: what may be dropped, where the clock is a witness and not a judge."""

from datetime import datetime, timedelta

CONFIRMING = timedelta(days=1)
"""By how much a clock may be ahead of the newest interaction, or of its last reading."""


def cutoff(
    now: datetime, *, retention: timedelta, newest: datetime | None, last_trusted: datetime | None
) -> datetime | None:
    """Return before when interactions may be dropped; None while the clock is doubted.

    Dropping cannot be undone, so the data have to agree: nothing is dropped that the newest
    interaction does not make old. A clock that has gone on by more than a day since it was last
    trusted (`last_trusted`) is doubted until the newest interaction is of its last day.
    """
    if newest is None:
        return None
    goes_on = last_trusted is not None and now - last_trusted <= CONFIRMING
    if not goes_on and now - newest > CONFIRMING:
        return None
    return min(now, newest + CONFIRMING) - retention
