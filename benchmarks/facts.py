"""Facts and tally of one interaction, against the typed decode alone."""

import cProfile
import io
import pstats
import time
from collections.abc import Iterator, Sequence

import msgspec

from benchmarks.corpora import rows_of
from benchmarks.figures import RUNS, Figure, Goal, median
from exporter.config import load
from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.interaction import Interaction, Row

ROWS = 50_000
_CONFIG = "data_server: {url: http://127.0.0.1/}"


class _Event(msgspec.Struct, array_like=True):
    name: str


class _Blob(msgspec.Struct):
    timestamp: int = 0
    event_stream: list[_Event] | None = None
    lang: str | None = None
    rp_api: str | None = None
    email_type: str | None = None
    number_emails: int | str | None = None


def run(size: int, runs: int = RUNS) -> Iterator[Figure]:
    """Measure in processor time, in turn."""
    rows = rows_of(size, limit=ROWS)
    decode = msgspec.json.Decoder(_Blob, strict=False).decode
    evaluator = Evaluator(load(_CONFIG, {}).definitions)
    bare, whole = [], []
    for _ in range(runs):
        began = time.process_time()
        for row in rows:
            _decode_or_none(decode, row.raw)
        bare.append((time.process_time() - began) / len(rows) * 1e6)
        began = time.process_time()
        _read_and_tally(evaluator, rows)
        whole.append((time.process_time() - began) / len(rows) * 1e6)
    yield Figure(what="typed decode alone", value=median(bare), unit="µs")
    yield Figure(
        what="facts and tally of one interaction",
        value=median(whole),
        unit="µs",
        goal=Goal(at_most=8),
        against="typed decode alone, above",
    )


def profile(size: int) -> str:
    """Return where the time of facts and tally goes; profiled calls look dearer than they are."""
    rows = rows_of(size, limit=ROWS)
    evaluator = Evaluator(load(_CONFIG, {}).definitions)
    _read_and_tally(evaluator, rows)
    profiler = cProfile.Profile(time.process_time)
    profiler.runcall(_read_and_tally, evaluator, rows)
    text = io.StringIO()
    pstats.Stats(profiler, stream=text).strip_dirs().sort_stats("tottime").print_stats(12)
    return text.getvalue()


def _read_and_tally(evaluator: Evaluator, rows: Sequence[Row]) -> None:
    verdicts = evaluator.read(rows, 1 << 62)
    evaluator.tally([verdict for verdict in verdicts if isinstance(verdict, Interaction)])


def _decode_or_none(decode: object, raw: bytes) -> object:
    try:
        return decode(raw)  # type: ignore[operator]
    except msgspec.ValidationError:
        return None
