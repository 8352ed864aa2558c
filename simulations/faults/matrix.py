"""The faults, what to do for each, and what must hold whatever is wrong."""

import os
import re
import resource
import signal
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from statistics import median
from threading import Event, Thread
from time import monotonic
from typing import Final

from simulations.stage import Poller, Scrape, Stage
from testing.damaging import damage
from testing.waiting import FACTOR, eventually, first_true

LOST, TWICE, ANSWERS, FRESH, ONE_LINE, ALONE = COLUMNS = (
    "nothing lost",
    "nothing twice",
    "/metrics answers",
    "freshness true",
    "one clear line",
    "recovers alone",
)
SETTLES_SECONDS = 60.0 * FACTOR
MOST_LINES = 2
"""Of one fault: some show in two ways."""

LARGE_BYTES = 12 << 20
_OF_FAST_TIME = "nothing is dropped"
"""A fault of seconds lasts a day of simulated time, after which retention waits for imports."""
_LAST_SUCCESS, _LAST_ATTEMPT = (
    f"kpi_exporter_import_last_{what}_timestamp_seconds" for what in ("success", "attempt")
)
_FAILURES = "kpi_exporter_import_runs_totalfailure"
_SNAPSHOT = "kpi_snapshot_timestamp_seconds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A row of the matrix.

    `spell` casts the fault up to its `yield` and lifts it after. `says`: what the log calls it, if
    imports fail meanwhile; none where they do not. `at_times`: whether some imports succeed all the
    same. `up`: the gauge that tells of the failures, if one does. `away`: whether the process
    itself cannot answer meanwhile.
    """

    group: str
    name: str
    spell: Callable[[Stage], Iterator[None]]
    says: str = ""
    at_times: bool = False
    up: str = "kpi_source_up"
    away: bool = False
    seconds: float = 0.0
    """At least so long."""
    imports: int = 2
    """So many meet the fault, and so many come after it."""
    patience_seconds: float = 60.0
    """In which they do."""

    @property
    def title(self) -> str:
        """What the matrix calls it."""
        return f"{self.group}: {self.name}"

    @property
    def fails(self) -> bool:
        """Whether all imports fail while it lasts."""
        return bool(self.says) and not self.at_times


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What came of a fault: for each column whether it held; the rest are figures."""

    fault: Fault
    cells: Mapping[str, bool]
    slowest_answer_seconds: float
    median_answer_seconds: float
    right_again_seconds: float
    said: tuple[str, ...]

    @property
    def broken(self) -> list[str]:
        """The columns that did not hold."""
        return [column for column, held in self.cells.items() if not held]


def meet(stage: Stage, fault: Fault) -> Row:
    """Let a fault happen while users sign in, let it end, and look at what must hold."""
    stage.pause()
    eventually(stage.is_right, within=SETTLES_SECONDS)
    stage.go_on()
    said_before = len(stage.said())
    poller = Poller(stage)
    with poller.polling():
        with contextmanager(fault.spell)(stage):
            cast = monotonic()
            if not fault.away:
                result = "failure" if fault.fails else "success"
                stage.import_again(result, fault.imports, within=fault.patience_seconds)
            Event().wait(max(0.0, cast + fault.seconds - monotonic()))
            during = stage.scrape()
        lifted = monotonic()
        said = tuple(stage.said()[said_before:])
        recovers = stage.import_again("success", fault.imports, within=fault.patience_seconds)
        stage.pause()
        right = first_true(stage.is_right, within=SETTLES_SECONDS)
        again = monotonic() - lifted
        after = stage.scrape()
    scrapes = tuple(poller.scrapes)
    took = [one.took_seconds for one in scrapes if one.values] or [float("inf")]
    return Row(
        fault=fault,
        cells={
            LOST: right,
            TWICE: stage.counts_each_once(),
            ANSWERS: fault.away or all(one.values for one in scrapes),
            FRESH: _is_fresh(fault, during, after, scrapes),
            ONE_LINE: _is_said_once(fault, said),
            ALONE: recovers,
        },
        slowest_answer_seconds=max(took),
        median_answer_seconds=median(took),
        right_again_seconds=again,
        said=said,
    )


def _is_fresh(fault: Fault, during: Scrape, after: Scrape, scrapes: Sequence[Scrape]) -> bool:
    """While imports fail, the metrics say so, and never is anything newer than it can be."""
    if fault.up and after[fault.up] != 1:
        return False
    if isnan(after[_LAST_SUCCESS]):
        return False
    if any(
        one[what] > one.at.timestamp() for one in scrapes for what in (_LAST_SUCCESS, _SNAPSHOT)
    ):
        return False
    if fault.away or fault.at_times:
        return True
    if not fault.fails:
        return during[fault.up] == 1
    stale = isnan(during[_LAST_SUCCESS]) or during[_LAST_SUCCESS] < during[_LAST_ATTEMPT]
    told = not fault.up or during[fault.up] == 0
    if fault.up == "kpi_store_up":  # a source may work again and again, and break off
        told = told and all(one[fault.up] == 0 for one in _failing(fault, during, scrapes))
    return stale and told and after[_LAST_SUCCESS] > during[_LAST_ATTEMPT]


def _failing(fault: Fault, during: Scrape, scrapes: Sequence[Scrape]) -> list[Scrape]:
    """Return the scrapes between the first import that failed and the fault's end."""
    failures = during[_FAILURES] - fault.imports + 1
    return [one for one in scrapes if one[_FAILURES] >= failures and one.at <= during.at]


def _is_said_once(fault: Fault, said: Sequence[str]) -> bool:
    """Return whether the log names it, in no words twice, and nothing where nothing is wrong."""
    said = [line for line in said if _OF_FAST_TIME not in line]
    if not fault.says:
        return not said
    clear = all(re.search(fault.says, line) and "Traceback" not in line for line in said)
    if fault.at_times:
        return clear
    return clear and len(set(said)) == len(said) and 0 < len(said) <= MOST_LINES


# The spells


def _bank(*written: str) -> Callable[[Stage], Iterator[None]]:
    def spell(stage: Stage) -> Iterator[None]:
        stage.bank.set_faults(*written)
        yield
        stage.bank.set_faults()

    return spell


def _spoils(name: str) -> Callable[[Stage], Iterator[None]]:
    """Such rows come, as rows do: they are counted, and stay."""

    def spell(stage: Stage) -> Iterator[None]:
        stage.bank.spoil(name, stage.clock())
        yield

    return spell


def _down(stage: Stage) -> Iterator[None]:
    stage.bank.die()
    stage.valve.go_away()
    yield
    stage.bank.restart()
    stage.valve.open()


def _half_open(stage: Stage) -> Iterator[None]:
    stage.valve.shut()
    yield
    stage.valve.open()


def _slow_network(stage: Stage) -> Iterator[None]:
    stage.valve.slow_down(0.05)
    yield
    stage.valve.open()


def _locked(stage: Stage) -> Iterator[None]:
    """Somebody else writes to the file, and takes their time."""
    other = sqlite3.connect(stage.database, isolation_level=None)
    other.execute("begin immediate")
    yield
    other.execute("rollback")
    other.close()


def _slow_store(stage: Stage) -> Iterator[None]:
    """Somebody else writes to the file most of the time."""
    ended = Event()

    def hold() -> None:
        other = sqlite3.connect(stage.database, isolation_level=None, timeout=30)
        while not ended.is_set():
            other.execute("begin immediate")
            ended.wait(0.3)
            other.execute("rollback")
            ended.wait(0.05)
        other.close()

    thread = Thread(target=hold, daemon=True)
    thread.start()
    yield
    ended.set()
    thread.join()


def _store_away(stage: Stage) -> Iterator[None]:
    assert stage.store_valve is not None
    stage.store_valve.go_away()
    yield
    stage.store_valve.open()


def _store_far(stage: Stage) -> Iterator[None]:
    assert stage.store_valve is not None
    stage.store_valve.slow_down(0.05)
    yield
    stage.store_valve.open()


def _store_half_open(stage: Stage) -> Iterator[None]:
    assert stage.store_valve is not None
    stage.store_valve.shut()
    yield
    stage.store_valve.open()


def _full(stage: Stage) -> Iterator[None]:
    """The file must not grow: to SQLite, that is a disk that is full."""
    soft, hard = resource.prlimit(stage.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(stage.pid, resource.RLIMIT_FSIZE, (4096, hard))
    yield
    resource.prlimit(stage.pid, resource.RLIMIT_FSIZE, (soft, hard))


def _no_memory(stage: Stage) -> Iterator[None]:
    """A large interaction comes, and no more memory than now is to be had: the process ends."""
    pages = int(Path(f"/proc/{stage.pid}/statm").read_text().split()[0])
    size = pages * os.sysconf("SC_PAGE_SIZE")
    _, hard = resource.prlimit(stage.pid, resource.RLIMIT_AS)
    resource.prlimit(stage.pid, resource.RLIMIT_AS, (size, hard))
    at_ms = int(stage.clock().timestamp() * 1000)
    stage.bank.add([{"event_stream": [], "timestamp": at_ms, "padding": "x" * LARGE_BYTES}])
    eventually(lambda: stage.ended, within=SETTLES_SECONDS)
    yield
    stage.start()


def _killed(stage: Stage) -> Iterator[None]:
    stage.kill()
    yield
    stage.start()


def _told_to_stop(stage: Stage) -> Iterator[None]:
    assert stage.end() == 0
    yield
    stage.start()


def _stopped(stage: Stage) -> Iterator[None]:
    os.kill(stage.pid, signal.SIGSTOP)
    yield
    os.kill(stage.pid, signal.SIGCONT)


def _corrupted(stage: Stage) -> Iterator[None]:
    """Half of the file is overwritten; what was quarantined before has been looked after."""
    for path in stage.directory.glob(f"{stage.database.name}.damaged-*"):
        path.unlink()
    with closing(sqlite3.connect(stage.database, timeout=30)) as db:
        db.execute("pragma wal_checkpoint(truncate)")  # so that the file is all there is
    damage(stage.database, share=0.5)
    yield


def _source(name: str, says: str = "", *written: str, at_times: bool = False) -> Fault:
    return Fault(group="source", name=name, spell=_bank(*written), says=says, at_times=at_times)


TOO_SLOW = "did not finish its answer within 2 s"
UNREACHED = "cannot be reached: no connection within 2 s"

FAULTS: Final = (
    Fault(group="source", name="down", spell=_down, says="Connection refused"),
    _source("slow, 200 bytes a second", TOO_SLOW, "slow=200"),
    _source("does not answer", TOO_SLOW, "silent"),
    _source("hangs mid-body", TOO_SLOW, "hang"),
    _source("resets the connection", "Connection reset", "reset"),
    _source("truncates the body", "IncompleteRead|Connection", "truncated"),
    _source("ends its JSON early", "ends in the middle", "cut"),
    _source("garbage, HTML from a proxy", "a number was expected", "garbage"),
    _source("status 500", "answered 500|and now cannot", "status-500"),
    _source("is building its view", "building its view", "indexing=3"),
    _source("redirects elsewhere", "redirects to", "redirect"),
    _source("a body without end", f"{TOO_SLOW}|a number was expected", "endless"),
    _source("wrong count", "", "wrong-count"),
    _source("every row twice", "", "duplicates"),
    _source("rows in any order", "", "shuffled"),
    Fault(group="source", name="rows that cannot be used", spell=_spoils("malformed")),
    Fault(group="source", name="rows that are dangerous to parse", spell=_spoils("poison")),
    _source("shrinks by a third", "", "shrinking"),
    _source("restarts again and again", "cannot be read|refused", "restarting=0.3", at_times=True),
    Fault(
        group="network",
        name="half-open connections",
        spell=_half_open,
        says=f"{TOO_SLOW}|{UNREACHED}",
    ),
    Fault(group="network", name="slow", spell=_slow_network),
    Fault(
        group="store",
        name="locked by another program",
        spell=_locked,
        says="database is locked",
        up="kpi_store_up",
    ),
    Fault(group="store", name="slow, mostly locked", spell=_slow_store, up="kpi_store_up"),
    Fault(group="store", name="full", spell=_full, says="cannot be written", up="kpi_store_up"),
    Fault(group="process", name="kill -9", spell=_killed, away=True),
    Fault(group="process", name="SIGTERM", spell=_told_to_stop, away=True),
    Fault(group="process", name="SIGSTOP for two hours", spell=_stopped, away=True, seconds=1),
    Fault(
        group="process",
        name="out of memory",
        spell=_no_memory,
        says="[Mm]emory|SHMMAP|thread started by",  # the last two are Python's and SQLite's own
        at_times=True,
        away=True,
        up="",
    ),
    Fault(
        group="store",
        name="file corrupted",
        spell=_corrupted,
        says="malformed|damaged store quarantined",
        at_times=True,
        up="kpi_store_up",
    ),
)
COUCHDB_FAULTS: Final = (
    Fault(
        group="CouchDB",
        name="down",
        spell=_store_away,
        says="Connection refused|Connection reset|Remote end closed",
        up="kpi_store_up",
    ),
    Fault(group="CouchDB", name="slow", spell=_store_far, up="kpi_store_up"),
    Fault(
        group="CouchDB",
        name="half-open connections",
        spell=_store_half_open,
        says="did not answer",
        up="kpi_store_up",
        imports=1,
        patience_seconds=200,  # CouchDB is given 65 s for an answer
    ),
)


def chosen(words: Sequence[str]) -> list[Fault]:
    """Return the faults that have one of the words in their title; without words, all.

    Raise LookupError for a word that is in no title.
    """
    faults = (*FAULTS, *COUCHDB_FAULTS)
    for word in words:
        if not any(word in fault.title for fault in faults):
            raise LookupError(f'no fault is named "{word}"; there are:\n{_titles(faults)}')
    return [fault for fault in faults if not words or any(word in fault.title for word in words)]


def _titles(faults: Sequence[Fault]) -> str:
    return "\n".join(f"  {fault.title}" for fault in faults)
