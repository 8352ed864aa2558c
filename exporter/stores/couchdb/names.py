"""Names that CouchDB takes: of databases, for any prefix, and of documents, for any id."""

import hashlib
import re
import string
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TypeAlias
from urllib.parse import quote, unquote

from exporter.domain.interaction import HOURS_PER_DAY, MS_PER_HOUR, Hour

UNDATED = "undated"
TALLIES = "tallies"
MS_PER_DAY = HOURS_PER_DAY * MS_PER_HOUR
LONGEST_NAME = 200  # CouchDB takes 238 characters, ours come behind
LONGEST_ID = 500
OLDEST_MONTH = "2000-01"  # earlier timestamps are not believed

Month: TypeAlias = str
"""`2026-11`, or `undated` for rows without a timestamp: what a raw database is named after."""

_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")
_PLAIN = frozenset(string.ascii_lowercase + string.digits + "_-")


def database_prefix(prefix: str) -> str:
    """Encode a prefix in the letters that database names take; different ones stay different.

    Raises `ValueError` if it becomes too long.
    """
    name = "".join(
        letter if letter in _PLAIN else "".join(f"${byte:02x}" for byte in letter.encode())
        for letter in prefix
    )
    if not name[:1].isalpha():
        name = f"db$${name}"
    if len(name) > LONGEST_NAME:
        raise ValueError(f"{prefix!r} is too long for the name of a CouchDB database")
    return name


def month_of(timestamp_ms: int | None) -> Month:
    """Return the month of a timestamp, in UTC."""
    return UNDATED if timestamp_ms is None else _month_of_day(timestamp_ms // MS_PER_DAY)


@lru_cache(1000)
def _month_of_day(day: int) -> Month:
    return (date(1970, 1, 1) + timedelta(days=day)).strftime("%Y-%m")


def is_month(name: str) -> bool:
    """Return whether a name is that of a month with a timestamp."""
    return _MONTH.fullmatch(name) is not None


def months_between(first: Month, last: datetime) -> list[Month]:
    """List the months from one on until that of an instant."""
    start = OLDEST_MONTH if first == UNDATED else first
    year, month = map(int, start.split("-"))
    span = range(year * 12 + month - 1, last.year * 12 + last.month)
    return [f"{n // 12}-{n % 12 + 1:02}" for n in span]


def start_of(month: Month) -> Hour:
    """Return the first hour of a month."""
    return int(_first_day(month).timestamp()) * 1000 // MS_PER_HOUR


def end_of(month: Month) -> Hour:
    """Return the first hour after a month."""
    first = _first_day(month)
    after = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return int(after.timestamp()) * 1000 // MS_PER_HOUR


def _first_day(month: Month) -> datetime:
    return datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)


def document_id(id_: str) -> str:
    """Return the id of a row's document: the row's own, unless CouchDB would refuse it.

    Then it is `~` and a digest, and the document holds the row's own id, `encoded_id`.
    """
    if id_.isalnum() and len(id_) <= LONGEST_ID:  # as a rule
        return id_
    if id_ and id_[0] not in "_~" and len(id_) <= LONGEST_ID and id_.isprintable():
        return id_
    return "~" + hashlib.sha256(id_.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def encoded_id(id_: str) -> str:
    """Encode any id in letters that JSON can carry; `decoded_id` decodes it."""
    return quote(id_, errors="surrogatepass")


def decoded_id(text: str) -> str:
    """Read what `encoded_id` wrote."""
    return unquote(text, errors="surrogatepass")
