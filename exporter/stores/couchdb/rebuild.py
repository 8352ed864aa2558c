"""A rebuild: everything that is held, counted under a pending generation.

It goes through the months in the order of ids and counts what no batch counts under that
generation itself. What it found so far is written now and then, with the place it came to, in
one document; so it resumes there, and two exporters that rebuild at once do not count twice.
"""

from collections.abc import Collection, Sequence

import msgspec

from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.tally import Tally, merge
from exporter.ports import RebuildProgress
from exporter.stores.couchdb.batches import (
    Batches,
    Contribution,
    generations_of,
    leaves_in_conflict,
    make_room,
    tally_of,
)
from exporter.stores.couchdb.documents import Change, Document, row_id
from exporter.stores.couchdb.generations import DefinitionsDocument
from exporter.stores.couchdb.holdings import Holdings
from exporter.stores.couchdb.months import Months
from exporter.stores.couchdb.names import Month
from exporter.stores.couchdb.revisions import to_stay
from exporter.stores.couchdb.server import FIRST_PAGE, Database, next_limit
from exporter.stores.couchdb.tiles import TileRow, encoded
from exporter.stores.couchdb.transport import Conflict, NotFound

PREFIX = "recount:"
PORTION = 1_000  # rows read at a time, fewer if large
WRITTEN_AFTER = 200_000  # rows; what a kill may cost
MOST_KEYS = 10_000  # keys of a tally that fit into a document


class Place(msgspec.Struct, omit_defaults=True):
    """How far a rebuild has come, with what was found since the place before.

    `own`: batches that count under the generation themselves though their id does not say so.
    `rows`: how many interactions and ignored rows of other batches each month has, `foreign` how
    many documents that are no rows, `newest_ms` the newest timestamp: all so far.
    """

    number: int
    month: Month = ""
    after: str = ""
    done: int = 0
    finished: bool = False
    own: list[str] = []
    rows: dict[Month, list[int]] = {}
    foreign: dict[Month, int] = {}
    newest_ms: int | None = None
    tallies: dict[str, list[TileRow]] = {}

    def following(
        self, number: int, *, finished: bool, tallies: dict[str, list[TileRow]]
    ) -> "Place":
        """Return what is written next; the first place alone lists the generation's own batches."""
        return msgspec.structs.replace(
            self, number=number, finished=finished, tallies=tallies, own=[]
        )

    def take_in(self, portion: "_Portion") -> None:
        """Count the rows of a portion of the month."""
        found = Contribution()
        for change in portion.changes:
            found.take(self.month, change)
        kinds = self.rows.setdefault(self.month, [0, 0])
        for kind, n in enumerate(found.held.get(self.month, ())):
            kinds[kind] += n
        self.foreign[self.month] = self.foreign.get(self.month, 0) + portion.foreign
        self.newest_ms = max(filter(None, (self.newest_ms, found.newest_ms)), default=None)


class Rebuild:
    """The rebuild of one generation."""

    def __init__(
        self,
        number: int,
        evaluator: Evaluator,
        *,
        tallies: Database,
        months: Months,
        batches: Batches,
        holdings: Holdings,
        register: DefinitionsDocument,
    ) -> None:
        self.number = number
        self._evaluator = evaluator
        self._tallies = tallies
        self._months = months
        self._batches = batches
        self._holdings = holdings
        self._register = register
        self._place: Place | None = None
        self._found: Tally = {}
        self._since = 0
        self._limit = FIRST_PAGE

    def step(self, total: int) -> RebuildProgress:
        """Count a portion; `total` is how many interactions there are."""
        place = self._place or self._begin()
        if place.finished:
            return _progress(place, total)
        months = [month for month in self._months.stored() if month >= place.month]
        if not months:
            return self._write(place, total, finished=True)
        if months[0] != place.month:
            place.month, place.after = months[0], ""
        rows = self._read(place)
        merge(self._found, tally_of(rows.changes, self._evaluator))
        place.done += rows.interactions
        place.take_in(rows)
        self._since += rows.read
        if rows.read:
            place.after = rows.last
        elif len(months) > 1:
            place.month, place.after = months[1], ""
        else:
            return self._write(place, total, finished=True)
        if self._since >= WRITTEN_AFTER or len(self._found) >= MOST_KEYS:
            return self._write(place, total, finished=False)
        self._place = place
        return _progress(place, total)

    def _begin(self) -> Place:
        """Start the rebuild, or resume it where any exporter left it."""
        written = self._tallies.identifiers(self._prefix)
        if written:
            last = self._tallies.get(written[-1], Place)
            first = self._tallies.get(written[0], Place)
            if last is not None and first is not None:
                return msgspec.structs.replace(last.document, own=first.document.own, tallies={})
        start = Place(number=0, own=self._batches.count_also(self.number))
        try:
            self._tallies.put(self._id(0), start)
        except Conflict:
            return self._begin()
        return start

    def _write(self, place: Place, total: int, *, finished: bool) -> RebuildProgress:
        rows = encoded(self._found, self._evaluator.layout)
        following = place.following(
            place.number + 1,
            finished=finished,
            tallies={str(self.number): rows} if rows else {},
        )
        if finished and self._register.read().anew:
            self._holdings.rebuilt(
                self.number,
                own=place.own,
                rows=place.rows,
                foreign=place.foreign,
                newest_ms=place.newest_ms,
            )
        make_room(self._register, following.tallies)
        try:
            self._tallies.put(self._id(following.number), following)
        except Conflict:  # another exporter has come further
            self._place = None
        else:
            self._place = msgspec.structs.replace(following, own=place.own, tallies={})
        self._found, self._since = {}, 0
        self._place = reached = self._place or self._begin()
        return _progress(reached, total)

    def _read(self, place: Place) -> "_Portion":
        database = self._months.database(place.month)
        try:
            page = database.page(place.after, self._limit, Document, conflicts=True)
            several = leaves_in_conflict(database, page)
        except NotFound:  # dropped meanwhile
            return _Portion()
        size = sum(len(version.raw) for found in page for version in found.document.versions())
        self._limit = next_limit(PORTION, len(page) or FIRST_PAGE, size)
        portion = _Portion(read=len(page), last=page[-1].id if page else "")
        for found in page:
            leaves = several.get(found.id)
            document = (to_stay(leaves).document if leaves else None) or found.document
            if document.raw:
                portion.interactions += 1
            elif not document.batch:
                portion.foreign += not found.id.startswith("_design/")
                continue
            portion.changes += self._due(row_id(found.id, document), document, place.own)
        return portion

    def _due(self, row: str, document: Document, own: Collection[str]) -> Sequence[Change]:
        """Return the changes of a row that no batch counts under this generation itself."""
        due = []
        before = None
        for version in document.versions():
            if self.number not in generations_of(version.batch) and version.batch not in own:
                due.append(Change(row, before, version))
            before = version
        return due

    @property
    def _prefix(self) -> str:
        return f"{PREFIX}{self.number:06}:"

    def _id(self, number: int) -> str:
        return f"{self._prefix}{number:08}"


def _progress(place: Place, total: int) -> RebuildProgress:
    return RebuildProgress(done=place.done, total=max(total, place.done), finished=place.finished)


def number_of(id_: str) -> int:
    """Return the generation that a document of a rebuild is of."""
    return int(id_.split(":")[1])


class _Portion(msgspec.Struct):
    read: int = 0
    last: str = ""
    interactions: int = 0
    foreign: int = 0
    changes: list[Change] = []
