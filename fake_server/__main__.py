"""The command line of the fake KPIggybank.

::

    python -m fake_server                        # 91 days of interactions on port 3435
    python -m fake_server --live --fault slow    # … and what comes from now on; slowly
    python -m fake_server --port 0 --truth t.json --seed 5 --backend memory

Prints one line, ``listening on http://127.0.0.1:3435``, when it is ready, and runs until SIGTERM or
SIGINT. While it runs, `fake_server.switches` says what it can be asked and told.
"""

import argparse
import json
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic

from fake_server.bank import BACKENDS, FakeKpiggybank
from fake_server.crowd import Arrivals, Crowd, Lateness
from fake_server.faults import parse
from fake_server.incidents import instant, read_incidents

_DAY_MINUTES = 1440
_TICK_SECONDS = 0.2


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to end; 1 if a request was deadly, as it is for the real one."""
    chosen = _parser().parse_args(arguments)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())

    until = chosen.until or datetime.now(UTC)
    since = until - timedelta(days=chosen.days)
    try:
        crowd = _crowd(chosen)
        arrivals = Arrivals(crowd, since) if chosen.live else None
        bank = FakeKpiggybank(
            backend=chosen.backend,
            faults=chosen.fault,
            corpus=chosen.file,
            arrivals=arrivals,
            host=chosen.host,
            port=chosen.port,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.stderr.write(f"fake_server: {error}\n")
        return 1
    if arrivals is not None:
        bank.advance(until)
        if chosen.live_per_minute is not None:
            arrivals.change_rate(chosen.live_per_minute * _DAY_MINUTES)
    elif not chosen.file:
        bank.fill(crowd.plans(since, until))
    with bank:
        _write_truth(chosen.truth, bank)
        sys.stdout.write(f"listening on {bank.address}\n")
        sys.stdout.flush()
        _run(bank, ended, live=arrivals is not None, now=_clock(until, chosen.speed))
        if bank.died.is_set():
            sys.stderr.write("fake_server: died of a request, as the real one does\n")
        _write_truth(chosen.truth, bank)
    return 1 if bank.died.is_set() else 0


def _crowd(chosen: argparse.Namespace) -> Crowd:
    return Crowd(
        seed=chosen.seed,
        per_day=chosen.per_day,
        lateness=Lateness(share=chosen.late),
        incidents=read_incidents(chosen.incidents) if chosen.incidents else (),
        string_timestamps=chosen.string_timestamps,
        missing_timestamps=chosen.missing_timestamps,
    )


def _run(
    bank: FakeKpiggybank, ended: threading.Event, *, live: bool, now: Callable[[], datetime]
) -> None:
    while not bank.died.is_set() and not ended.wait(_TICK_SECONDS):
        if live:
            bank.advance(now())


def _clock(start: datetime, speed: float) -> Callable[[], datetime]:
    """Return a clock that shows `start` now and goes `speed` times as fast as time."""
    begun = monotonic()
    return lambda: start + timedelta(seconds=(monotonic() - begun) * speed)


def _write_truth(path: Path | None, bank: FakeKpiggybank) -> None:
    if path is None:
        return
    being_written = path.with_name(path.name + ".part")
    being_written.write_text(json.dumps(bank.truth.as_json()), encoding="utf-8")
    being_written.replace(path)


def _fault(text: str) -> str:
    try:
        parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m fake_server",
        description="A KPIggybank with simulated users, and the right counts of what they did.",
    )
    add = parser.add_argument
    add("--backend", choices=sorted(BACKENDS), default="couchdb")
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=3435, help="0: any free one; default %(default)s")
    add("--seed", type=int, default=1, help="the same seed makes the same users")
    add("--days", type=float, default=91.0, help="length of the range; default %(default)s")
    add("--until", type=instant, metavar="TIME", help="end of the range; default now")
    add("--per-day", type=float, default=400.0, help="mean interactions a day; %(default)s")
    add("--truth", type=Path, metavar="FILE", help="write the right counts, as JSON; with --live "
        "again at the end")  # fmt: skip
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--file", type=Path, metavar="DIR",
        help="serve what fake_server.corpus wrote")  # fmt: skip
    source.add_argument("--live", action="store_true",
        help="go on after the range; late ones of it come in too")  # fmt: skip
    add("--live-per-minute", type=float, metavar="N", help="mean rate of --live, if another")
    add("--speed", type=float, default=1.0, help="how fast the clock of --live goes; 0: only by "
        "POST /fake/clock")  # fmt: skip
    add("--late", type=float, default=0.2, metavar="SHARE", help="of --live, one hour to 30 days")
    add("--incidents", type=Path, metavar="FILE", help="as pydoc fake_server.incidents says")
    add("--string-timestamps", type=float, default=0.0, metavar="SHARE")
    add("--missing-timestamps", type=float, default=0.0, metavar="SHARE")
    add("--fault", type=_fault, action="append", default=[], metavar="NAME[=AMOUNT][*TIMES]",
        help="repeatable; pydoc fake_server.faults lists them")  # fmt: skip
    return parser


if __name__ == "__main__":
    sys.exit(main())
