"""What the application asks of a source and of a store, and the errors both may raise."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

import msgspec

from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.definitions import Definitions
from exporter.domain.interaction import (
    Hour,
    Ignored,
    Interaction,
    Reason,
    Rejected,
    Row,
    StoredInteraction,
)
from exporter.domain.tally import Counts, Tally
from exporter.domain.windows import instant_of


class SourceError(Exception):
    """The source did not answer, or not with interactions; what was stored before stays.

    The message says what was asked, what came and what to do, on one line.
    """


class SourceTooSlowError(SourceError):
    """The source did not finish its answer in time; a shorter range may work."""


class SourceNotReadyError(SourceError):
    """The source may be at work on what it was asked before; ask again in a while."""


class StoreError(Exception):
    """The store did not do what was asked; nothing of that call is counted twice or half.

    The message names the store and says what to do, on one line.
    """


class StoreUnavailableError(StoreError):
    """The store's server is down or refuses; asking again later may help."""


class StoreDamagedError(StoreError):
    """What the store holds cannot be read as it was written; asking again does not help."""


class Source(Protocol):
    """Where interactions come from."""

    def fetch(self, start: datetime, end: datetime | None) -> Iterator[Sequence[Row]]:
        """Return the rows with start <= timestamp < end, in portions of bounded size.

        A row near a bound may come although it lies outside; without `end` everything from
        `start` on comes, and what no range returns as far as the source has such a way.
        Raises `SourceError`, possibly after some portions.
        """

    def count(self) -> int | None:
        """Return how many interactions the source holds, all of them; None if it cannot say.

        Raises `SourceError`.
        """

    def close(self) -> None:
        """Close connections."""


class RowFile(Protocol):
    """A file of interactions that is read once, from its beginning to its end."""

    @property
    def skipped(self) -> int:
        """How many of its entries are no interactions: design documents, deleted ones."""

    @property
    def done(self) -> float | None:
        """How much of it is read, from 0 to 1; None where its length is not known."""

    def portions(self) -> Iterator[Sequence[Row]]:
        """Return its rows in portions of bounded size.

        Raises `SourceError`, possibly after some portions: the message names the file and what
        is wrong with it.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Rows as they were judged, to be stored as one.

    `collected`: they are no rows of the source, but were sent here or read from a file.
    """

    interactions: Sequence[Interaction] = ()
    ignored: Sequence[Ignored] = ()
    rejected: Sequence[Rejected] = ()
    collected: bool = False


RESULTS = ("imported", "duplicate", "ignored", "rejected")  # what becomes of a row


@dataclass(frozen=True, slots=True, kw_only=True)
class AddResult:
    """What became of a batch: each row is in exactly one of the first four numbers.

    `imported` includes interactions that were stored before with other content; `rejected`
    those that this store in particular cannot hold. `timestamps_ms` are those of the
    interactions that were not stored before.
    """

    imported: int
    duplicate: int
    ignored: int
    rejected: int
    timestamps_ms: Sequence[int] = ()

    @property
    def counts(self) -> Mapping[str, int]:
        """The four numbers by their names."""
        return {name: getattr(self, name) for name in RESULTS}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreStats:
    """How much a store holds; `newest_ms` is the newest interaction's timestamp.

    `dropped` counts the rows that were held and are past the retention; `collected`
    how many of all these came in collected batches.
    """

    interactions: int
    ignored: int
    dropped: int
    rejected: Mapping[Reason, int] = field(default_factory=dict)
    newest_ms: int | None = None
    collected: int = 0

    @property
    def newest(self) -> datetime | None:
        """The newest interaction's timestamp as an instant."""
        return None if self.newest_ms is None else instant_of(self.newest_ms)

    @property
    def accounted_for(self) -> int:
        """Rows of the source that are known here, whatever became of them."""
        known = self.interactions + self.ignored + self.dropped + sum(self.rejected.values())
        return known - self.collected


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """Both sides counted: `source` is None where it cannot say, and then nothing is known.

    `surplus`: how many more the source holds when nothing is missing: rows out of reach, less
    those that it deleted; None while that was not found out.
    """

    source: int | None
    accounted_for: int
    surplus: int | None

    @property
    def missing(self) -> int | None:
        """Rows that can be had from the source and are not accounted for here."""
        if self.source is None or self.surplus is None:
            return None
        return max(0, self.source - self.accounted_for - self.surplus)

    @property
    def unreachable(self) -> int:
        """Rows that the source holds and gives in no range."""
        return max(0, self.surplus or 0)


class RejectedRow(NamedTuple):
    """A refused row as the store keeps it; `collected` where that is to be said again."""

    id: str
    raw: bytes
    reason: Reason
    detail: str
    refused_ms: int
    collected: bool = False


class PeriodCounts(NamedTuple):
    """Counts of one segment, added up over one period.

    `start` is the period's first hour: the hour itself, the first of the day, or the range's.
    """

    start: Hour
    segmentation: str
    segment: str
    counts: Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildProgress:
    """How far the rebuilding of tallies has come, in interactions; `total` may grow meanwhile."""

    done: int
    total: int
    finished: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongHolding:
    """A number of rows that is not that of the rows which are there: `what` says of which."""

    what: str
    held: int
    right: int


class RowStore(Protocol):
    """What became of the rows of the source: interactions with their content, and the others."""

    def add(self, batch: Batch, now: datetime) -> AddResult:
        """Store a batch and count what is new in it, both or neither.

        An id that is stored already with the same content is a duplicate; with other content
        it replaces what was stored, and its counts.
        """

    def settle(self) -> None:
        """Keep and count one of what several exporters stored of the same row at once.

        Called after an import. Work does not grow with the history.
        """

    def interactions(self, start_ms: int, end_ms: int) -> Iterator[StoredInteraction]:
        """Return what is stored with start_ms <= timestamp < end_ms, by timestamp; streamed."""

    def ignored(self) -> Iterator[Ignored]:
        """List the ignored rows; streamed."""

    def rejected(self, limit: int) -> Sequence[RejectedRow]:
        """List the rejected rows that are kept, the newest first."""

    def stats(self) -> StoreStats:
        """Count what is stored; work does not grow with the history."""

    def wrong_holdings(self, *, repair: bool) -> Iterator[WrongHolding]:
        """Compare what `stats` counts with the rows that are there; corrected, if so wished.

        How many were dropped or collected no row shows. Raises `StoreError`, possibly at the end,
        if rows come faster than they are counted.
        """

    def drop_before(self, cutoff: Hour) -> int:
        """Drop rows and tallies before the hour, as far as it does; count the interactions."""

    def copied_from(self, stats: StoreStats) -> None:
        """Store what no row shows of the store that this one's content was copied from.

        That is how many interactions it dropped, and how many of its rows were collected.
        """


class TallyStore(Protocol):
    """Tallies under the active definitions."""

    def total(
        self, start: Hour, end: Hour, segmentations: Collection[str] | None = None
    ) -> Iterator[PeriodCounts]:
        """Add up the hours from `start` until before `end`: one `PeriodCounts` a segment.

        `segmentations` limits to these (`""` is the total); None is all. Segments without
        counts may be left out, here and below. Work does not grow with the history.
        """

    def by_day(
        self, start: Hour, end: Hour, segmentations: Collection[str] | None = None
    ) -> Iterator[PeriodCounts]:
        """Add up by UTC day, ascending; `start` and `end` are full days."""

    def by_hour(
        self, start: Hour, end: Hour, segmentations: Collection[str] | None = None
    ) -> Iterator[PeriodCounts]:
        """Return the counts of each hour, ascending; streamed."""

    def repair(self, hours: Collection[Hour], right: Tally) -> None:
        """Set the counts of these hours to `right`, whatever they were."""


class DefinitionStore(Protocol):
    """Which definitions tallies are counted under.

    One set is active: the one that tallies are read under. When the definitions change, the
    store counts under both, while `rebuild` goes through what is stored; then `activate` switches.
    """

    def active_definitions(self) -> bytes | None:
        """Return the active definitions (`Definitions.to_json`); None in a new store."""

    def use_definitions(self, active: Evaluator, pending: Evaluator | None = None) -> None:
        """Set what to count under, before anything is added or read.

        In a new store `active` becomes active. Tallies of other definitions than the two may go.
        Where tallies must be rebuilt and nothing else is pending, `active` is.
        """

    def must_rebuild(self) -> bool:
        """Return whether tallies were found wrong, so that all are to be rebuilt.

        Under the pending definitions, or the active ones again. It is found out by
        `use_definitions` and `settle`; `use_definitions` makes the store count so.
        """

    def is_readable(self) -> bool:
        """Return whether tallies can be read before they are rebuilt.

        They cannot where rows or tallies were lost, or restored from another day.
        """

    def rebuild(self) -> RebuildProgress:
        """Count a bounded portion of what is stored under the pending definitions.

        Resumes where the last call, or process, stopped. To be called until finished.
        """

    def activate(self) -> None:
        """Activate the pending definitions, once their tallies are rebuilt: one switch."""


class StateStore(Protocol):
    """Small values that are remembered under a name; the names: `exporter.notes`."""

    def note(self, name: str) -> str | None:
        """Read a value."""

    def remember(self, name: str, value: str) -> None:
        """Write a value."""

    def notes(self) -> Mapping[str, str]:
        """Read all values."""


class Store(RowStore, TallyStore, DefinitionStore, StateStore, Protocol):
    """Where interactions and their tallies are kept. Adds numbers under keys, knows no KPI.

    Every method raises `StoreError`. Methods may be called from several threads; writes
    exclude each other.
    """

    def close(self) -> None:
        """Finish what is under way and close files and connections."""


def stored_definitions(stored: bytes) -> Definitions:
    """Read the definitions that a store keeps. Raises `StoreError` if they are damaged."""
    try:
        return Definitions.from_json(stored)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StoreError(
            f"the store's definitions are damaged ({error}); restore a backup, or take a new store"
            " and bring back what is in this one with `kpi-exporter copy --damaged`"
        ) from error
