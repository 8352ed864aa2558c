"""The reports of the dashboard that this replaces, read from each store."""

import json
from collections.abc import Collection, Iterator
from math import isclose
from pathlib import Path
from typing import Any, cast

from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.reports import DATA_REPORTS
from exporter.maintenance.reports import read_report
from exporter.ports import PeriodCounts, Store
from tests.stores.rows import NOW, batch, golden_rows

REPORTS: dict[str, Any] = json.loads(
    (Path(__file__).parent.parent / "golden" / "reports.json").read_text()
)


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, int | float) and isinstance(other, int | float):
        return isclose(one, other, rel_tol=0, abs_tol=1e-12)
    return bool(one == other)


class _Days:
    """The days of a store, read once for all reports."""

    def __init__(self, store: Store) -> None:
        self._rows = list(store.by_day(0, 1 << 20))

    def by_day(
        self, start: int, end: int, segmentations: Collection[str]
    ) -> Iterator[PeriodCounts]:
        return (
            row
            for row in self._rows
            if start <= row.start < end and row.segmentation in segmentations
        )


def test_every_report_equals_the_old_dashboards(store: Store, evaluator: Evaluator) -> None:
    rows = golden_rows()
    for start in range(0, len(rows), 700):
        store.add(batch(evaluator, rows[start : start + 700]), NOW)
    days = cast("Store", _Days(store))
    different = []

    for address, expected in REPORTS.items():
        name, _, query = address.partition("?")
        if name in DATA_REPORTS:
            segmentation = query.removeprefix("segmentation=") or None
            report = read_report(days, evaluator, name, segmentation=segmentation)
            if not equal(report, expected):
                different.append(address)

    assert different == []
