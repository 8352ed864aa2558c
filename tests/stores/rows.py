"""Rows for stores: blobs that say only what matters, judged as an import judges them."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.interaction import Ignored, Interaction, Rejected, Row
from exporter.ports import Batch

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
NEWEST_MS = 1 << 60  # every timestamp is believed
SHOWN, ENGAGED, SIGNED_IN = "screen.rp_info", "authenticate.enter_password", "assertion_generated"
GOLDEN = Path(__file__).parent.parent / "golden"


def ms(text: str) -> int:
    """Milliseconds since 1970 of an ISO date or time in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def hour(text: str) -> int:
    return ms(text) // 3_600_000


def blob(at: str | int, /, *events: str, **fields: Any) -> bytes:
    """A blob; without events its stream is empty, so that it is to be ignored."""
    at_ms = ms(at) if isinstance(at, str) else at
    stream = [[name, n] for n, name in enumerate(events)]
    return json.dumps({"event_stream": stream, "timestamp": at_ms, **fields}).encode()


def batch(evaluator: Evaluator, rows: Iterable[tuple[str, bytes]]) -> Batch:
    verdicts = evaluator.read((Row(id_, raw) for id_, raw in rows), NEWEST_MS)
    return Batch(
        interactions=[v for v in verdicts if isinstance(v, Interaction)],
        ignored=[v for v in verdicts if isinstance(v, Ignored)],
        rejected=[v for v in verdicts if isinstance(v, Rejected)],
    )


def some(n: int, *, first: str = "2026-11-03", every_ms: int = 600_000) -> list[tuple[str, bytes]]:
    """Rows of many kinds, one after the other in time."""
    locales = ("en", "de", "fr", "xx", None)
    return [
        (
            f"{number:040x}",
            blob(
                ms(first) + number * every_ms,
                *(SHOWN, ENGAGED, SIGNED_IN)[: 1 + number % 3],
                lang=locales[number % 5],
                number_sites_signed_in=number % 40,
                number_emails=number % 5,
            ),
        )
        for number in range(n)
    ]


class _GoldenRow(msgspec.Struct):
    id: str
    value: msgspec.Raw


def golden_rows() -> Sequence[tuple[str, bytes]]:
    """The 2,000 rows that the old dashboard's reports are known of."""
    text = (GOLDEN / "interactions.json").read_bytes()
    rows = msgspec.json.decode(text, type=list[_GoldenRow])
    return [(row.id, bytes(row.value)) for row in rows]
