"""The stage of the fault matrix: users who sign in, a source, a pipe, a daemon, a fast clock."""

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import isnan
from pathlib import Path
from time import monotonic
from typing import IO, Any, Final
from urllib.parse import urlsplit

import requests
from prometheus_client.parser import text_string_to_metric_families

from fake_server import Arrivals, Crowd, FakeKpiggybank, Lateness
from simulations.clock import FastClock
from simulations.valve import Valve
from testing import expected
from testing.processes import unused_port
from testing.waiting import FACTOR, eventually, first_true

CHECKOUT = Path(__file__).parent.parent
START = datetime(2026, 3, 1, tzinfo=UTC)
SPEED = 7_200.0  # two hours a second
LATENESS = Lateness(share=0.3, least=timedelta(minutes=30), most=timedelta(hours=3))
IMPORTS: Final[Mapping[str, Any]] = {
    "every": "1h",
    "history": "60d",
    "sweep_after": ["1h", "2h", "4h", "1d"],
}
POLL_SECONDS = 0.05
LONGEST_ANSWER_SECONDS = 5.0  # half of what Prometheus waits
STARTS_SECONDS = 30.0
QUIET = ("import finished", "listening", "old interactions dropped", "stopping", "works again")
REPORTS = (
    ("assertions", None),
    ("new_user_per_day", "OS"),
    ("new_user", "Browser"),
    ("sites_median", None),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrape:
    """One answer of /metrics, or none: then there are no values. `at` is the stage's time."""

    at: datetime
    took_seconds: float
    values: dict[str, float] = field(default_factory=dict)

    def __getitem__(self, name: str) -> float:
        return self.values.get(name, float("nan"))


class Stage:
    """Everything that a fault acts on.

    With the address of a server with CouchDB's API the store lies there, behind a valve of its
    own; else it is a file.
    """

    def __init__(
        self,
        directory: Path,
        *,
        per_day: float = 1_500,
        speed: float = SPEED,
        lateness: Lateness = LATENESS,
        couchdb: str = "",
        imports: Mapping[str, Any] = IMPORTS,
    ) -> None:
        self.directory = directory
        self.clock = FastClock.starting(START, speed=speed)
        crowd = Crowd(seed=11, per_day=per_day, lateness=lateness)
        self._arrivals = Arrivals(crowd, START - timedelta(days=2))
        self.bank = FakeKpiggybank()
        self.valve = _valve_to(self.bank.address)
        self.store_valve = _valve_to(couchdb) if couchdb else None
        self.port = unused_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.database = directory / "kpi.db"
        self.config = directory / "config.yml"
        url = self.bank.url.replace(self.bank.address, self.valve.address)
        store = f"sqlite:{self.database}"
        if self.store_valve is not None:
            store = f"couchdb://127.0.0.1:{self.store_valve.port}/kpi-faults"
        content = {
            "data_server": {"url": url, "timeout": f"{2 * FACTOR:g}s"},
            "store": {"url": store},
            "import": imports,
            "windows": ["1d", "7d"],
        }
        self.config.write_text(json.dumps(content))
        self._lines: list[str] = []
        self._arriving = threading.Event()
        self._at_the_door = threading.Lock()
        self._ended = threading.Event()
        self.process: subprocess.Popen[str] | None = None

    @contextmanager
    def open(self) -> Iterator["Stage"]:
        """Let time go, and the daemon run, until the block ends."""
        with self.bank:
            self.bank.fill(self._arrivals.until(self.clock()))
            self._arriving.set()
            users = threading.Thread(target=self._let_users_sign_in, daemon=True)
            users.start()
            try:
                self.start()
                eventually(lambda: self.imports("success") >= 1, within=STARTS_SECONDS)
                yield self
            finally:
                self._ended.set()
                users.join()
                self.end()
                self.valve.close()
                if self.store_valve is not None:
                    self.store_valve.close()

    def _let_users_sign_in(self) -> None:
        while not self._ended.wait(POLL_SECONDS):
            with self._at_the_door:
                if self._arriving.is_set():
                    self.bank.fill(self._arrivals.until(self.clock()))

    def pause(self) -> None:
        """Let nothing more arrive, so that what is right stands still."""
        with self._at_the_door:
            self._arriving.clear()

    def go_on(self) -> None:
        """Let users arrive again; what would have come during the pause never does."""
        with self._at_the_door:
            self._arrivals.until(self.clock())
            self._arriving.set()

    # The daemon

    @property
    def pid(self) -> int:
        """The process id of the daemon, which has been started."""
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        """Start the daemon, as a supervisor does, and wait until it answers or has ended."""
        self.process = subprocess.Popen(
            [
                sys.executable, "-m", "simulations.daemon",
                self.config, f"127.0.0.1:{self.port}", *self.clock.arguments(),
            ],
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        threading.Thread(target=self._listen, args=(self.process.stdout,), daemon=True).start()
        eventually(lambda: self.ended or self.scrape().values, within=STARTS_SECONDS)

    def _listen(self, output: IO[str]) -> None:
        with output:
            for line in output:
                self._lines.append(line.rstrip("\n"))

    @property
    def ended(self) -> bool:
        """Whether the daemon's process is no more."""
        return self.process is None or self.process.poll() is not None

    def end(self) -> int:
        """Ask the daemon to stop, and give its exit code."""
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=10)
        finally:
            self.process.kill()

    def kill(self) -> None:
        """End the daemon as nothing but `kill -9` does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def said(self) -> list[str]:
        """The lines of its log that are no mere progress, without the time."""
        lines = [re.sub(r"^ts=\S+ ", "", line) for line in self._lines]
        return [line for line in lines if not any(words in line for words in QUIET)]

    # What it exposes

    def scrape(self) -> Scrape:
        """Scrape the exporter's own state."""
        begun = monotonic()
        try:
            answer = requests.get(f"{self.address}/metrics", timeout=LONGEST_ANSWER_SECONDS)
        except requests.RequestException:
            return Scrape(at=self.clock(), took_seconds=monotonic() - begun)
        took = monotonic() - begun
        values = {
            sample.name + sample.labels.get("result", ""): sample.value
            for family in text_string_to_metric_families(_own(answer.text))
            for sample in family.samples
        }
        return Scrape(at=self.clock(), took_seconds=took, values=values if answer.ok else {})

    def imports(self, result: str) -> float:
        """How many imports ended so in the daemon's life; 0 while it does not answer."""
        count = self.scrape()["kpi_exporter_import_runs_total" + result]
        return 0.0 if isnan(count) else count

    def import_again(self, result: str, times: int, *, within: float) -> bool:
        """Whether so many more imports end so within so many seconds."""
        before = self.imports(result)
        return first_true(lambda: self.imports(result) >= before + times, within=within)

    # What is right

    def is_right(self) -> bool:
        """Whether every number by day, of all and by segment, is what the users did."""
        days = self.bank.right()["days"]
        return all(
            self.report(name, segmentation) == expected.report(name, days, segmentation)
            for name, segmentation in REPORTS
        )

    def counts_each_once(self) -> bool:
        """Whether it holds no more than the users did, in all and on each day."""
        held = self.scrape()["kpi_store_interactions"]
        days = self.bank.right()["days"]
        counted = self.report("assertions", None) or {}
        return held <= self.bank.right()["counted"] and all(
            entry["value"] <= days[entry["category"]]["Total"]["attempts"]
            for entry in counted.get("Total", ())
        )

    def report(self, name: str, segmentation: str | None) -> Any:
        """A report under /data; None if there is no answer."""
        parameters = {} if segmentation is None else {"segmentation": segmentation}
        try:
            answer = requests.get(f"{self.address}/data/{name}", params=parameters, timeout=10)
            return answer.json() if answer.ok else None
        except requests.RequestException:
            return None


class Poller:
    """Scrapes all the time, as a Prometheus in a hurry, and keeps what came."""

    def __init__(self, stage: Stage, *, every_seconds: float = POLL_SECONDS) -> None:
        self._stage = stage
        self._every_seconds = every_seconds
        self._ended = threading.Event()
        self.scrapes: list[Scrape] = []

    @contextmanager
    def polling(self) -> Iterator["Poller"]:
        """Scrape until the block ends."""
        thread = threading.Thread(target=self._poll, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            thread.join()

    def _poll(self) -> None:
        while not self._ended.wait(self._every_seconds):
            self.scrapes.append(self._stage.scrape())


def _valve_to(address: str) -> Valve:
    target = urlsplit(address)
    return Valve(target.hostname or "", target.port or 80)


_OWN = ("kpi_source_", "kpi_store_", "kpi_snapshot_", "kpi_exporter_")  # how their names begin


def _own(text: str) -> str:
    """Leave out the KPIs, which are most of the text and not looked at here."""
    return text[min(text.index(f"# HELP {name}") for name in _OWN) :]
