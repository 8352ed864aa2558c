"""What the page at `/` shows, of the last snapshot or of a period, and the exporter's state."""

from dataclasses import dataclass
from datetime import date, datetime

from exporter.domain.kpis import Unit
from exporter.domain.reports import Milestone
from exporter.metrics.collecting import CollectStatus
from exporter.metrics.status import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class KpiValue:
    """A KPI over a range of time; `value` is None where it is undefined.

    `parts` says what the value is made of, for instance "312 of 1,020"; empty for counts. Of a
    median it says the 90th percentile and the sample size. `change` is that against the range
    before, in words.
    """

    range: str
    value: float | None
    parts: str = ""
    change: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentValue:
    """A KPI of one segment over the period; `value`, `parts` and `change` as in a `KpiValue`.

    `share` is the bar's length, of 1; `figures` are the parts as numbers.
    """

    segment: str
    value: float | None
    parts: str
    before: float | None
    change: str
    share: float
    figures: tuple[float | None, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A KPI over one UTC day; `value` and `parts` as in a `KpiValue`, `figures` as numbers."""

    date: date
    value: float | None
    parts: str = ""
    figures: tuple[float | None, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KpiCard:
    """One KPI: now, over each range, by segment, and day by day, oldest first and none left out.

    `columns` says what the `figures` of days and segments are.
    """

    name: str
    title: str
    explanation: str
    unit: Unit
    readings: tuple[KpiValue, ...]
    days: tuple[Day, ...]
    segments: tuple[SegmentValue, ...] = ()
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step of a flow: how many reached it, their share of the first step and of the previous.

    A step `aside` has no previous one; neither has the first.
    """

    name: str
    count: int
    share: float | None
    of_previous: float | None = None
    aside: bool = False
    change: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Funnel:
    """A flow's steps over a range of time; `completed` is the share that went all the way."""

    flow: str
    title: str
    range: str
    steps: tuple[Step, ...]
    completed: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One figure of the headline: what it is, its value in words, and what that is made of."""

    label: str
    value: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A link to the page with another period or segmentation; `chosen` is the one shown."""

    title: str
    days: int | None
    segmentation: str | None
    chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """All that the page shows; it touches neither source nor store.

    `at` is when it was put together, `snapshot` when its KPIs were computed; before the first
    snapshot `unready` says why there is none. `definitions` is the digest of flows and
    segmentations, `reports` names those that can be requested, `documentation` is an address;
    `collected` is None where nothing is collected. `segmentation` is the title of that which the
    KPIs are divided by, empty if by none; `empty` says that the source gave nothing, if so.
    """

    version: str
    definitions: str
    at: datetime
    snapshot: datetime | None
    unready: str
    kpis: tuple[KpiCard, ...]
    funnels: tuple[Funnel, ...]
    status: Status
    milestones: tuple[Milestone, ...]
    reports: tuple[str, ...]
    documentation: str
    collected: CollectStatus | None = None
    empty: str = ""
    headline: tuple[Fact, ...] = ()
    headline_range: str = ""
    periods: tuple[Choice, ...] = ()
    segmentations: tuple[Choice, ...] = ()
    segmentation: str = ""
