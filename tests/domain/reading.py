"""Blobs under Persona's definitions: a test says what matters in one, and asks what it comes to."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from exporter.domain.classify.classifier import Classification, Classifier
from exporter.domain.interaction import Interaction, Rejected, Row
from exporter.domain.kpis import KPIS
from exporter.domain.layout import TOTAL_ROW
from exporter.domain.tally import Counts, Key, tally
from tests.builders import AT, ms, persona

NOW_MS = ms(AT) + 3_600_000
NEWEST_MS = NOW_MS + 86_400_000  # one day ahead of the clock


def blob(*events: str, **fields: Any) -> dict[str, Any]:
    """A blob with these events; `timestamp` is an instant in 2013 unless it is given."""
    stream = [[name, 100 * n] for n, name in enumerate(events)]
    return {"event_stream": stream, "timestamp": ms(AT), **fields}


@cache
def reader() -> Classifier:
    """The one that reads all of a session's blobs, as a daemon's does."""
    return Classifier(persona())


def verdict(content: Any) -> Classification:
    """What becomes of a blob, or of the bytes of one."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return reader().read(Row("an id", raw), NEWEST_MS)


def interaction(content: Any) -> Interaction:
    found = verdict(content)
    assert isinstance(found, Interaction), found
    return found


def rejected(content: Any) -> Rejected:
    found = verdict(content)
    assert isinstance(found, Rejected), found
    return found


def counted(blobs: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], Counts]:
    """The counts of blobs of one hour: of all, and of each segment."""
    layout = reader().layout
    facts = [interaction(one).facts for one in blobs]
    assert len({one.hour for one in facts}) <= 1
    found = tally(layout, facts)
    hour = facts[0].hour if facts else 0
    return {row: found.get(Key(hour, *row), {}) for row in layout.segments}


def values(kpi: str, of: Counts) -> dict[tuple[str, ...], float]:
    """A KPI's values by labels."""
    return {labels: number.value for labels, number in KPIS[kpi].compute(reader().layout, of)}


def total(kpi: str, *blobs: Mapping[str, Any]) -> dict[tuple[str, ...], float]:
    """A KPI over some blobs."""
    return values(kpi, counted(blobs)[TOTAL_ROW])


def segments(content: Mapping[str, Any]) -> dict[str, str]:
    """The one segment of a blob in each segmentation."""
    found: dict[str, str] = {}
    for (segmentation, segment), of in counted([content]).items():
        if segmentation and values("sign_in_attempts", of)[()]:
            assert segmentation not in found
            found[segmentation] = segment
    return found


def steps(flow: str, *events: str, **fields: Any) -> list[str]:
    """The numbers of the steps of a flow that a blob with these events reaches."""
    reached = total("flow_step_interactions", blob(*events, **fields))
    return [step[0] for (name, step), n in reached.items() if name == flow and n]
