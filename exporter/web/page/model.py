"""What the page for people shows: values only, written by `exporter.web.page.render`."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from exporter.domain.reports import Milestone


class Unit(StrEnum):
    """How a KPI's value is written."""

    RATIO = "ratio"
    COUNT = "count"
    NUMBER = "number"


@dataclass(frozen=True, slots=True, kw_only=True)
class KpiValue:
    """A KPI over a window that ends now; `value` is None where it is undefined.

    `parts` says what the value is made of, for instance "312 of 1,020"; empty for counts.
    """

    window: str
    value: float | None
    parts: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A KPI over one UTC day; `value` and `parts` as in a `KpiValue`."""

    date: date
    value: float | None
    parts: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kpi:
    """One KPI: now, in each window, and day by day, oldest first and none left out."""

    title: str
    explanation: str
    unit: Unit
    readings: tuple[KpiValue, ...]
    days: tuple[Day, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step of a flow: how many reached it, and their share of the first step."""

    name: str
    count: int
    share: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Funnel:
    """A flow's steps over a window."""

    flow: str
    window: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportState:
    """How the import is doing; None where it is not known (yet).

    `interactions` holds (result, count) since the start; `last_error` is the failure that the
    last run ended with, empty after a success.
    """

    running: bool
    last_attempt: datetime | None
    last_success: datetime | None
    last_error: str
    source_up: bool | None
    store_up: bool | None
    newest_interaction: datetime | None
    interactions: tuple[tuple[str, int], ...]
    missing: int | None
    rejected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """All that the page shows.

    `at` is when it was put together, `snapshot` when its KPIs were computed; before the first
    snapshot `unready` says why there is none. `definitions` is the digest of flows and
    segmentations, `reports` names those that can be asked for, `documentation` is an address.
    """

    version: str
    definitions: str
    at: datetime
    snapshot: datetime | None
    unready: str
    kpis: tuple[Kpi, ...]
    funnels: tuple[Funnel, ...]
    imports: ImportState
    milestones: tuple[Milestone, ...]
    reports: tuple[str, ...]
    documentation: str
