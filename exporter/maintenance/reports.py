"""Reports, read from a store."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, TypeVar

from exporter.domain.classify.classifier import OLDEST_TIMESTAMP_MS
from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.definitions import TOTAL
from exporter.domain.interaction import MS_PER_HOUR
from exporter.domain.kpis import Number
from exporter.domain.reports import (
    Days,
    InvalidSegmentation,
    UnknownReport,
    is_on_data,
    numbers,
    report,
    segmented,
)
from exporter.domain.tally import Counts
from exporter.domain.windows import day_of, first_hour_of
from exporter.ports import TallyStore

_Of = TypeVar("_Of")

FIRST_DAY = day_of(OLDEST_TIMESTAMP_MS // MS_PER_HOUR)
LAST_DAY = date(2999, 12, 31)


def read_report(
    store: TallyStore,
    evaluator: Evaluator,
    name: str,
    *,
    first: date | None = None,
    last: date | None = None,
    segmentation: str | None = None,
) -> Mapping[str, Any]:
    """Return one of the reports on data, both days included; segments come as they are configured.

    Raises `UnknownReport`, `InvalidSegmentation`, `StoreError`.
    """
    days, segments = _days(store, evaluator, name, first, last, segmentation)
    content = report(name, days, evaluator.layout, by_segment=segments is not None)
    return content if segments is None else _ordered(content, segments)


def read_numbers(
    store: TallyStore,
    evaluator: Evaluator,
    name: str,
    *,
    first: date | None = None,
    last: date | None = None,
    segmentation: str | None = None,
) -> Mapping[str, Mapping[str, Number]]:
    """Read the numbers of a daily report, with their parts, by segment and date.

    Raises as `read_report`.
    """
    days, segments = _days(store, evaluator, name, first, last, segmentation)
    content = numbers(name, days, evaluator.layout)
    return content if segments is None else _ordered(content, segments)


def _ordered(content: Mapping[str, _Of], segments: Sequence[str]) -> Mapping[str, _Of]:
    return {segment: content[segment] for segment in segments if segment in content}


def _days(
    store: TallyStore,
    evaluator: Evaluator,
    name: str,
    first: date | None,
    last: date | None,
    segmentation: str | None,
) -> tuple[Days, Sequence[str] | None]:
    """Read the counts of each day, and which segments there are; None without a segmentation."""
    if not is_on_data(name):
        raise UnknownReport(name)
    by = evaluator.definitions.segmentation(segmentation) if segmentation else None
    if segmentation and (by is None or not segmented(name)):
        raise InvalidSegmentation(segmentation)
    start = first_hour_of(max(first or FIRST_DAY, FIRST_DAY))
    end = first_hour_of(min(last or LAST_DAY, LAST_DAY) + timedelta(days=1))
    days: dict[date, dict[str, Counts]] = {}
    if start < end:
        for row in store.by_day(start, end, (segmentation or "",)):
            empty: dict[str, Counts] = {} if segmentation else {TOTAL: {}}
            days.setdefault(day_of(row.start), empty)[row.segment] = row.counts
    return days, None if by is None else by.all_segments
