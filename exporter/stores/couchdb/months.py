"""The databases of interactions, one a month, and the document that lists them.

The list is a document because CouchDB lets only administrators ask which databases there are.
"""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import msgspec
import structlog
from msgspec.structs import replace

from exporter.clock import now
from exporter.domain.interaction import Hour
from exporter.domain.windows import joined
from exporter.stores.couchdb.names import (
    OLDEST_MONTH,
    UNDATED,
    Month,
    end_of,
    is_month,
    months_between,
    start_of,
)
from exporter.stores.couchdb.server import Database, Server
from exporter.stores.couchdb.transport import Refused

DOCUMENT = "months"
AHEAD = timedelta(days=31)  # a month may begin before its first interaction comes


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """A month: how many of its interactions were dropped, and whether it is `gone`.

    `remains`: gone, but its counts and its database are still to be removed. `foreign`: documents
    that are no rows of ours, as they were counted when the month was last gone through.
    """

    dropped: int = 0
    gone: bool = False
    remains: bool = False
    foreign: int = 0


class MonthsDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """The list, and how many interactions were dropped where the content was copied from."""

    months: Mapping[Month, Record] = {}
    dropped_elsewhere: int = 0
    collected_elsewhere: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """Counts of interactions that no row of the store shows."""

    dropped: int
    dropped_elsewhere: int
    collected_elsewhere: int


def merged_months(documents: Sequence[MonthsDocument]) -> MonthsDocument:
    """Return what all of these lists know. A month that one dropped is dropped."""
    months: dict[Month, Record] = {}
    for document in documents:
        for month, record in document.months.items():
            other = months.get(month, record)
            months[month] = Record(
                dropped=max(record.dropped, other.dropped),
                gone=record.gone or other.gone,
                remains=record.remains or other.remains,
                foreign=max(record.foreign, other.foreign),
            )
    return MonthsDocument(
        months=dict(sorted(months.items())),
        dropped_elsewhere=max(document.dropped_elsewhere for document in documents),
        collected_elsewhere=max(document.collected_elsewhere for document in documents),
    )


class Months:
    """The months that hold rows."""

    def __init__(self, server: Server, prefix: str, tallies: Database) -> None:
        self._server = server
        self._prefix = prefix
        self._tallies = tallies
        self._lock = threading.Lock()
        self._usable: set[Month] = set()
        self._databases: dict[Month, Database] = {}

    def database(self, month: Month) -> Database:
        """Return a month's database, whether it is there or not."""
        if month not in self._databases:
            self._databases[month] = self._server.database(f"{self._prefix}-{month}")
        return self._databases[month]

    def records(self) -> Mapping[Month, Record]:
        """Read which months there are, ascending; the undated rows come last."""
        return dict(sorted(self._document().months.items()))

    def absent(self) -> Absent:
        """Return what no row shows: what was dropped, here and where the content was copied from.

        And how many of the rows there were collected.
        """
        document = self._document()
        return Absent(
            dropped=sum(record.dropped for record in document.months.values()),
            dropped_elsewhere=document.dropped_elsewhere,
            collected_elsewhere=document.collected_elsewhere,
        )

    def _document(self) -> MonthsDocument:
        found = self._tallies.get(DOCUMENT, MonthsDocument)
        return found.document if found else MonthsDocument()

    def stored(self) -> list[Month]:
        """Read which months have a database."""
        return [month for month, record in self.records().items() if not record.gone]

    def use(self, requested: Collection[Month]) -> None:
        """List these months and create their databases, in this order, where they are missing."""
        with self._lock:
            new = set(requested) - self._usable
            if not new:
                return

            def listed(document: MonthsDocument) -> MonthsDocument:
                months = dict(document.months)
                for month in new:
                    months[month] = Record(dropped=months.get(month, Record()).dropped)
                return replace(document, months=months)

            self._change(listed)
            for month in sorted(new):
                self.database(month).create()
            self._usable |= new

    def find(self) -> None:
        """Add months that have a database with rows to the list, which may have been lost.

        Once some are known only those from the first of them on are looked for.
        """
        known = self.records()
        first = f"{self._prefix}-"
        last = now() + AHEAD
        names = None if known else self._server.names(first)
        if names is not None:
            among = [name.removeprefix(first) for name in names]
            candidates = [month for month in among if month == UNDATED or is_month(month)]
        else:
            candidates = [*months_between(min(known, default=OLDEST_MONTH), last), UNDATED]
        unlisted = [month for month in candidates if month not in known]
        if found := [month for month in unlisted if self._has_rows(month)]:
            records = dict.fromkeys(found, Record())
            self._change(lambda it: replace(it, months={**records, **it.months}))

    def _has_rows(self, month: Month) -> bool:
        try:
            return self.database(month).size() > 0
        except Refused as error:
            if not error.lacks_right:
                raise
            return False

    def found_foreign(self, foreign: Mapping[Month, int]) -> None:
        """Record how many documents of months are no rows of ours."""

        def noted(document: MonthsDocument) -> MonthsDocument:
            months = dict(document.months)
            for month, n in foreign.items():
                if month in months:
                    months[month] = replace(months[month], foreign=n)
            return replace(document, months=months)

        self._change(noted)

    def forget(self, month: Month) -> None:
        """Check a month again before its next use: its database was found missing."""
        with self._lock:
            self._usable.discard(month)
            self._databases.pop(month, None)

    def past(self, cutoff: Hour) -> list[Month]:
        """List the stored months that end before the hour."""
        return [month for month in self.stored() if month != UNDATED and end_of(month) <= cutoff]

    def spans(self, start: Hour, end: Hour) -> list[tuple[Hour, Hour]]:
        """Return a range's parts in stored months; neighbouring months make one span."""
        parts = (
            (max(start, start_of(month)), min(end, end_of(month)))
            for month in self.stored()
            if month != UNDATED
        )
        return joined((first, last) for first, last in parts if first < last)

    def drop(self, month: Month, interactions: int) -> int:
        """Drop a month of N interactions, dropped ones included; return how many are new in it."""
        before = self.records().get(month, Record()).dropped
        self._record(month, Record(dropped=interactions, gone=True, remains=True))
        self.forget(month)
        return max(interactions - before, 0)

    def remaining(self) -> list[Month]:
        """List the dropped months whose database is still to be deleted."""
        return [month for month, record in self.records().items() if record.remains]

    def remove_databases(self, dropped: Collection[Month]) -> None:
        """Delete the databases of dropped months, or empty them where the user may not."""
        for month in dropped:
            database = self.database(month)
            if not database.drop():
                structlog.get_logger().warning(
                    "a month is past the retention and empty; an administrator may delete it",
                    database=database.url,
                )
            record = self.records()[month]
            self._record(month, replace(record, remains=False))

    def _record(self, month: Month, record: Record) -> None:
        self._change(lambda it: replace(it, months={**it.months, month: record}))

    def copied_from(self, *, dropped: int, collected: int) -> None:
        """Store what no row shows of the store that the content was copied from."""
        self._change(
            lambda it: replace(it, dropped_elsewhere=dropped, collected_elsewhere=collected)
        )

    def _change(self, change: Callable[[MonthsDocument], MonthsDocument]) -> None:
        self._tallies.change(DOCUMENT, MonthsDocument, change, new=MonthsDocument())
