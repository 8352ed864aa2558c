"""Reports: KPIs by day, in the names and shapes of the dashboard that this replaces.

Shapes are those of `/data/NAME` (`docs/reference/http.md`): dates are UTC `YYYY-MM-DD`,
ascending, only days with data of that report; an undefined share is None.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from math import isnan
from typing import Any, TypeAlias

from exporter.domain.definitions import TOTAL, Definitions
from exporter.domain.kpis import KPIS, Number, Unit
from exporter.domain.layout import Layout
from exporter.domain.tally import Counts, add

Days: TypeAlias = Mapping[date, Mapping[str, Counts]]
"""Counts by day, ascending, and segment (`Total` without a segmentation)."""


class UnknownReport(LookupError):
    """There is no report of that name."""


class InvalidSegmentation(LookupError):
    """There is no segmentation of that name, or the report has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Milestone:
    """Something that happened on a day, to be marked in charts.

    A quiet day has other visitors than its weekday has, a holiday for instance.
    """

    name: str
    date: date
    quiet: bool = False

    @property
    def timestamp(self) -> float:
        """Its midnight in UTC, in Unix seconds."""
        return datetime.combine(self.date, time(), UTC).timestamp()


def _attempts(layout: Layout, counts: Counts) -> bool:
    return layout.attempts in counts


def _dialogs(layout: Layout, counts: Counts) -> bool:
    return any(slot in counts for slot in layout.outcomes.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Daily:
    """A KPI by day: the days it counts are those for which `has_data` holds."""

    kpi: str
    has_data: Callable[[Layout, Counts], bool]


_DAILY: Mapping[str, _Daily] = {
    "sites": _Daily(kpi="sites_signed_in_mean", has_data=_attempts),
    "sites_median": _Daily(kpi="sites_signed_in_median", has_data=_attempts),
    "assertions": _Daily(kpi="sign_in_attempts", has_data=_attempts),
    "new_user_success": _Daily(kpi="new_user_success_ratio", has_data=_dialogs),
    "new_user_per_day": _Daily(kpi="new_users", has_data=_dialogs),
    "bounce_rate": _Daily(kpi="bounce_ratio", has_data=_attempts),
    "new_user_bounce": _Daily(kpi="new_user_bounce_ratio", has_data=_dialogs),
}
_FLOW_OVER_TIME: Mapping[str, str] = {
    "new_user_time": "new_user",
    "password_reset": "password_reset",
    "general_progress_time": "general_progress",
    "add_email": "add_email",
}
_FLOW_TOTALS: Mapping[str, str] = {"new_user": "new_user"}
FLOW = "flow:"  # and a flow's name: the report on any flow

_DURATIONS = "durations"

KPI_OF_REPORT: Mapping[str, str] = {
    **{name: daily.kpi for name, daily in _DAILY.items()},
    **dict.fromkeys(_FLOW_TOTALS, "flow_step_interactions"),
    **dict.fromkeys(_FLOW_OVER_TIME, "flow_step_ratio"),
    _DURATIONS: "duration_median_seconds",
}


def kpi_of_report(name: str) -> str | None:
    """Return the KPI that a report shows; None if there is no such report."""
    return "flow_step_interactions" if name.startswith(FLOW) else KPI_OF_REPORT.get(name)


def flow_of_report(name: str) -> str | None:
    """Return the flow that a report is of; None if it is of none."""
    if name.startswith(FLOW):
        return name.removeprefix(FLOW)
    return {**_FLOW_TOTALS, **_FLOW_OVER_TIME}.get(name)


DATA_REPORTS: tuple[str, ...] = tuple(KPI_OF_REPORT)
REPORTS: tuple[str, ...] = (*DATA_REPORTS, "segmentations", "milestones")


def reports_of(definitions: Definitions) -> tuple[str, ...]:
    """List the reports that there are; those of flows and durations, where they are defined."""
    flows = {flow.name for flow in definitions.flows}
    of_flows = {**_FLOW_TOTALS, **_FLOW_OVER_TIME}
    return tuple(
        name
        for name in REPORTS
        if (name not in of_flows or of_flows[name] in flows)
        and (name != _DURATIONS or definitions.durations)
    )


def segmented(name: str) -> bool:
    """Return whether a report can be had by segment."""
    return name in _DAILY or is_of_steps(name) or name == _DURATIONS


def is_of_steps(name: str) -> bool:
    """Return whether a report is the funnel of a flow, over all of its days."""
    return name in _FLOW_TOTALS or name.startswith(FLOW)


def is_of_shares(name: str) -> bool:
    """Return whether a report has the shares of a flow's steps, by day."""
    return name in _FLOW_OVER_TIME


def is_on_data(name: str) -> bool:
    """Return whether a report is made of counts, if there is one of that name."""
    return name in DATA_REPORTS or name.startswith(FLOW)


def report_of_kpi(kpi: str, other: str) -> str:
    """Return the report that shows a KPI day by day; `other` if none does."""
    names = {daily.kpi: name for name, daily in _DAILY.items()}
    return {**names, KPI_OF_REPORT[_DURATIONS]: _DURATIONS}.get(kpi, other)


def report(name: str, days: Days, layout: Layout, *, by_segment: bool = False) -> dict[str, Any]:
    """Return a report of counts by day; `Total` and steps are there without any data, too.

    Raises `UnknownReport` for a name that is none of `DATA_REPORTS` nor `flow:` and a flow, or that
    speaks of a flow or of durations which these definitions do not have.
    """
    if name in _DAILY:
        return _daily(_DAILY[name], days, layout, by_segment=by_segment)
    if name == _DURATIONS and layout.durations:
        return _durations(days, layout, by_segment=by_segment)
    flow = _FLOW_OVER_TIME.get(name) or _FLOW_TOTALS.get(name) or name.removeprefix(FLOW)
    if flow not in layout.steps or not is_on_data(name):
        raise UnknownReport(name)
    if is_of_steps(name):
        return _flow_totals(flow, days, layout, by_segment=by_segment)
    return _flow_over_time(flow, days, layout)


def _daily(daily: _Daily, days: Days, layout: Layout, *, by_segment: bool) -> dict[str, Any]:
    result: dict[str, list[dict[str, Any]]] = {} if by_segment else {TOTAL: []}
    for day, segment, number in _daily_numbers(daily, days, layout):
        entry = {"category": day.isoformat(), "value": _defined(number.value)}
        result.setdefault(segment, []).append(entry)
    return result


def _daily_numbers(daily: _Daily, days: Days, layout: Layout) -> Iterator[tuple[date, str, Number]]:
    compute = KPIS[daily.kpi].compute
    for day, segments in days.items():
        for segment, counts in segments.items():
            if daily.has_data(layout, counts):
                ((_, number),) = compute(layout, counts)
                yield day, segment, number


def is_daily_ratio(name: str) -> bool:
    """Return whether a report is a ratio by day, which has parts."""
    return name in _DAILY and KPIS[_DAILY[name].kpi].unit is Unit.RATIO


def numbers(name: str, days: Days, layout: Layout) -> dict[str, dict[str, Number]]:
    """Return the numbers of a daily report by segment and date, with their parts."""
    result: dict[str, dict[str, Number]] = {}
    for day, segment, number in _daily_numbers(_DAILY[name], days, layout):
        result.setdefault(segment, {})[day.isoformat()] = number
    return result


def _flow_totals(flow: str, days: Days, layout: Layout, *, by_segment: bool) -> dict[str, Any]:
    totals: dict[str, Counts] = {} if by_segment else {TOTAL: {}}
    for segments in days.values():
        for segment, counts in segments.items():
            add(totals.setdefault(segment, {}), counts)
    steps = layout.steps[flow]
    return {
        segment: {step: counts.get(slot, 0) for step, slot in steps.items()}
        for segment, counts in totals.items()
        if not by_segment or any(slot in counts for slot in steps.values())
    }


def _flow_over_time(flow: str, days: Days, layout: Layout) -> dict[str, dict[str, float | None]]:
    result: dict[str, dict[str, float | None]] = {step: {} for step in layout.steps[flow]}
    compute = KPIS["flow_step_ratio"].compute
    for day, segments in days.items():
        counts = segments[TOTAL]
        if not any(slot in counts for slot in layout.steps[flow].values()):
            continue
        for (name, step), number in compute(layout, counts):
            if name == flow:
                reached = number.numerator
                share = _defined(number.value) if number.denominator or reached else 0.0
                result[step][day.isoformat()] = share
    return result


def _durations(days: Days, layout: Layout, *, by_segment: bool) -> dict[str, Any]:
    """List each duration's sample size, median and 90th percentile on days that have it."""
    result: dict[str, dict[str, dict[str, Any]]] = (
        {} if by_segment else {TOTAL: {name: {} for name in layout.durations}}
    )
    for day, segments in days.items():
        for segment, counts in segments.items():
            median = dict(KPIS["duration_median_seconds"].compute(layout, counts))
            p90 = dict(KPIS["duration_p90_seconds"].compute(layout, counts))
            for name, slots in layout.durations.items():
                interactions = counts.get(slots.interactions, 0)
                if interactions:
                    of_segment = result.setdefault(segment, {name: {} for name in layout.durations})
                    of_segment[name][day.isoformat()] = {
                        "interactions": interactions,
                        "median": median[name,].value,
                        "p90": p90[name,].value,
                    }
    return result


def segmentations(definitions: Definitions) -> dict[str, list[str]]:
    """List the segments of each segmentation."""
    return {s.name: list(s.all_segments) for s in definitions.segmentations}


def milestone_labels(marks: Sequence[Milestone]) -> list[str]:
    """Return the label value of each milestone: its name, with the day where names repeat."""
    times = Counter(mark.name for mark in marks)
    return [
        mark.name if times[mark.name] == 1 else f"{mark.name} ({mark.date.isoformat()})"
        for mark in marks
    ]


def milestones(marks: Sequence[Milestone]) -> list[dict[str, str]]:
    """List the milestones, the earliest first."""
    return [
        {"milestone": mark.name, "date": mark.date.isoformat()}
        for mark in sorted(marks, key=lambda mark: mark.date)
    ]


def _defined(value: float) -> float | None:
    return None if isnan(value) else value
