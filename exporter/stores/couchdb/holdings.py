"""How many rows each month holds: as batches counted them, and as there are documents.

The two differ for good where the tallies or a month were lost, or restored from another day.
They differ for a while when a batch is under way, or when a node of a cluster lags behind.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from secrets import token_hex

import msgspec

from exporter.domain.interaction import Reason
from exporter.domain.portions import cut
from exporter.ports import StoreUnavailableError, WrongHolding
from exporter.stores.couchdb.batches import PREFIX as BATCH
from exporter.stores.couchdb.batches import generations_of
from exporter.stores.couchdb.design import Views
from exporter.stores.couchdb.months import Months, Record
from exporter.stores.couchdb.names import UNDATED, Month
from exporter.stores.couchdb.server import Database
from exporter.stores.couchdb.transport import Conflict, NotFound

PAGE = 1_000  # documents read at a time
LOOKS = 5  # at a month in which rows are written meanwhile
REPAIR = "repair:"
Kinds = list[int]  # [interactions, ignored rows]


@dataclass(slots=True, kw_only=True)
class StoredRows:
    """How many rows were stored, those that were dropped since included."""

    by_month: dict[Month, Kinds] = field(default_factory=dict)
    rejected: dict[Reason, int] = field(default_factory=dict)
    collected: int = 0

    @property
    def interactions(self) -> int:
        """How many interactions were stored."""
        return sum(kinds[0] for kinds in self.by_month.values())

    @property
    def ignored(self) -> int:
        """How many ignored rows were stored."""
        return sum(kinds[1] for kinds in self.by_month.values())

    def of(self, month: Month) -> Kinds:
        """Return what was stored of a month."""
        return self.by_month.get(month, [0, 0])


class _Row(msgspec.Struct):
    """What has to be known of a document in order to count it."""

    batch: str = ""
    blob: msgspec.Raw = msgspec.Raw()


class _Counted(msgspec.Struct):
    """A document with counts; `batch` is the one that they belong to, if they are of one."""

    batch: str = ""


class Holdings:
    """Compares the rows that batches counted with the documents of the months."""

    def __init__(self, tallies: Database, months: Months, views: Views) -> None:
        self._tallies = tallies
        self._months = months
        self._views = views

    def counted(self) -> StoredRows:
        """Read how many rows batches counted."""
        stored = StoredRows()
        for row in self._views.rows("held", group=True):
            kind, name = row.key
            if kind == "rejected":
                stored.rejected[Reason(name)] = row.value[0]
            elif kind == "collected":
                stored.collected += row.value[0]
            else:
                stored.by_month[name] = row.value
        return stored

    def surplus(self) -> Mapping[Month, int] | None:
        """Return by month how many documents more there are than rows were counted.

        Months without a difference are left out. None while batches are under way.
        """
        before = self._at_rest()
        if before is None:
            return None
        surplus = {}
        for month, record in self._comparable().items():
            documents = self._months.database(month).size() - record.foreign
            surplus[month] = documents - sum(before.of(month))
        if self._at_rest() != before:
            return None
        return {month: n for month, n in surplus.items() if n}

    def wrong(self, *, repair: bool) -> Iterator[WrongHolding]:
        """Compare with the documents, kind by kind; corrected, if so wished."""
        restless = []
        for month in self._comparable():
            difference = self._difference(month)
            if difference is None:
                restless.append(month)
                continue
            counted, right = difference
            if counted != right and repair:
                change = [r - c for r, c in zip(right, counted, strict=True)]
                self._tallies.put(f"{REPAIR}{token_hex(8)}", {"held": {month: change}})
            where = "without a timestamp" if month == UNDATED else f"in {month}"
            for what, c, r in zip(("interactions", "ignored rows"), counted, right, strict=True):
                if c != r:
                    yield WrongHolding(what=f"{what} {where}", held=c, right=r)
        if restless:
            raise StoreUnavailableError(
                f"{self._tallies.url}: rows were written to {', '.join(restless)} whenever they"
                " were counted; verify while no import runs"
            )

    def _difference(self, month: Month) -> tuple[Kinds, Kinds] | None:
        """Return what was counted of a month and what is there; None if it never rests."""
        for _ in range(LOOKS):
            before = self._at_rest()
            if before is None:
                continue
            right = self._documents(month)
            if self._at_rest() == before:
                return before.of(month), right
        return None

    def _documents(self, month: Month) -> Kinds:
        kinds = [0, 0]
        try:
            for page in self._months.database(month).pages(PAGE, _Row):
                for found in page:
                    row = found.document
                    if bytes(row.blob):
                        kinds[0] += 1
                    elif row.batch:
                        kinds[1] += 1
        except NotFound:
            return [0, 0]
        return kinds

    def _comparable(self) -> Mapping[Month, Record]:
        """Return the months that nothing was dropped from: what was, is not known by kind."""
        return {
            month: record
            for month, record in self._months.records().items()
            if not record.gone and not record.dropped
        }

    def _at_rest(self) -> StoredRows | None:
        """Return what was counted; None while a batch is open."""
        return None if self._views.rows("open", limit=1) else self.counted()

    def rebuilt(
        self,
        number: int,
        *,
        own: Collection[str],
        rows: Mapping[Month, Kinds],
        foreign: Mapping[Month, int],
        newest_ms: int | None,
    ) -> None:
        """Correct what was counted, once all rows were gone through under a new generation.

        `rows`: those of batches that do not count under it, as far as they were found. What such
        batches counted is replaced by that. Under one id, so that it is done once.
        """
        change = {}
        for month in self._comparable():
            counted = self._counted_elsewhere(month, number, own)
            found = rows.get(month, [0, 0])
            change[month] = [f - c for f, c in zip(found, counted, strict=True)]
        document = {"held": {month: kinds for month, kinds in change.items() if any(kinds)}}
        try:
            self._tallies.put(f"{REPAIR}held:{number}", document | {"newest": newest_ms})
        except Conflict:  # another exporter was quicker, or this one before it was killed
            return
        self._months.found_foreign(foreign)

    def _counted_elsewhere(self, month: Month, number: int, own: Collection[str]) -> Kinds:
        """Add up what batches counted of a month that do not count under a generation."""
        key = ["month", month]
        rows = self._views.rows("held", reduce=False, startkey=key, endkey=key)
        counts = Counter({0: 0, 1: 0})
        ids = [row.id or "" for row in rows]
        batches = self._batches_of(ids)
        for row in rows:
            batch = batches[row.id or ""]
            if number not in generations_of(batch) and batch not in own:
                counts.update(dict(enumerate(row.value)))
        return [counts[0], counts[1]]

    def _batches_of(self, ids: Collection[str]) -> Mapping[str, str]:
        """Return the batches that documents with counts belong to; none is an empty text."""
        batches = {id_: id_.removeprefix(BATCH) for id_ in ids if id_.startswith(BATCH)}
        others = [id_ for id_ in ids if id_ not in batches]
        for portion in cut(others, PAGE):
            for id_, found in zip(portion, self._tallies.fetch(portion, _Counted), strict=True):
                batches[id_] = found.document.batch if found else ""
        return batches
