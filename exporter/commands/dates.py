"""Dates and instants as people type them, for `--from`, `--to`, `--since` and `--until`."""

import argparse
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from exporter.clock import now
from exporter.commands.common import UsageError
from exporter.config.scalars import duration

FORMS = "2013-07-01, 2013-07, 2013, yesterday, 7d (so long ago) or Unix time"

_DAY = timedelta(days=1)
_MONTH = re.compile(r"([0-9]{4})-([0-9]{2})", re.ASCII)
_YEAR = re.compile(r"[0-9]{4}", re.ASCII)
_SECONDS = re.compile(r"[0-9]{9,10}", re.ASCII)
_MILLISECONDS = re.compile(r"[0-9]{12,13}", re.ASCII)


def add_days(parser: argparse.ArgumentParser) -> None:
    """Add flags for a range of days."""
    parser.add_argument(
        "--from", dest="first", type=first_day, metavar="DATE", help="the first day (default: all)"
    )
    parser.add_argument("--to", dest="last", type=last_day, metavar="DATE", help="the last day")


def check_days(options: argparse.Namespace) -> None:
    """Raise `UsageError` where the first day comes after the last."""
    if options.first and options.last and options.first > options.last:
        raise UsageError(f"--from {options.first} is after --to {options.last}")


def instant(text: str) -> datetime:
    """Read an instant: of what is longer, a day or a month, its beginning. UTC unless said."""
    return _range(text)[0]


def first_day(text: str) -> date:
    """Read the first day of a range of days."""
    return _range(text)[0].date()


def last_day(text: str) -> date:
    """Read the last day of a range of days: of a month, its last."""
    start, length_end = _range(text)
    return max(start, length_end - timedelta(microseconds=1)).date()


def _range(text: str) -> tuple[datetime, datetime]:
    """Return where what was written begins and ends; an instant ends where it begins."""
    try:
        for read in _READERS:
            if found := read(text):
                return found
    except (ValueError, OverflowError):
        pass
    raise argparse.ArgumentTypeError(f"expected {FORMS}, not {text!r}")


def _named(text: str) -> tuple[datetime, datetime] | None:
    today = now().replace(hour=0, minute=0, second=0, microsecond=0)
    named = {
        "now": (now(), now()),
        "today": (today, today + _DAY),
        "yesterday": (today - _DAY, today),
    }
    return named.get(text.lower())


def _calendar(text: str) -> tuple[datetime, datetime] | None:
    if month := _MONTH.fullmatch(text):
        start = datetime(int(month[1]), int(month[2]), 1, tzinfo=UTC)
        return start, (start + 31 * _DAY).replace(day=1)
    if _YEAR.fullmatch(text):
        return datetime(int(text), 1, 1, tzinfo=UTC), datetime(int(text) + 1, 1, 1, tzinfo=UTC)
    return None


def _unix(text: str) -> tuple[datetime, datetime] | None:
    if _SECONDS.fullmatch(text):
        moment = datetime.fromtimestamp(int(text), tz=UTC)
    elif _MILLISECONDS.fullmatch(text):
        moment = datetime.fromtimestamp(int(text) / 1000, tz=UTC)
    else:
        return None
    return moment, moment


def _ago(text: str) -> tuple[datetime, datetime] | None:
    try:
        moment = now() - duration(text)
    except ValueError:
        return None
    return moment, moment


def _iso(text: str) -> tuple[datetime, datetime] | None:
    when = datetime.fromisoformat(text)
    moment = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    try:
        date.fromisoformat(text)
    except ValueError:
        return moment, moment
    return moment, moment + _DAY


_READERS: tuple[Callable[[str], tuple[datetime, datetime] | None], ...] = (
    _named,
    _calendar,
    _unix,
    _ago,
    _iso,
)
