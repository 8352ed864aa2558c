"""What reports and metrics should say, worked out from the fake server's truth alone.

TALLY is that of `fake_server.truth`; nothing of the exporter is used.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from math import nan
from typing import Any, TypeAlias

Tally: TypeAlias = Mapping[str, Any]
Values: TypeAlias = dict[tuple[str, tuple[tuple[str, str], ...]], float]
"""(family, sorted labels): value."""

ASIDE = ("3 - Error screen",)
SHOWN, ENGAGED = "1 - Dialog shown", "2 - User engaged"
OVER_TIME = {
    "new_user_time": "new_user",
    "password_reset": "password_reset",
    "general_progress_time": "general_progress",
    "add_email": "add_email",
}
OF_OUTCOMES = ("new_user_success", "new_user_per_day", "new_user_bounce")
BY_DAY = ("sites", "sites_median", "assertions", "bounce_rate", *OF_OUTCOMES)
SEGMENTED = (*BY_DAY, "new_user")
NOT_BY_SEGMENT = ("flow_step_ratio", "flow_step_dropoff_ratio")


def share(part: float, whole: float) -> float:
    return part / whole if whole else nan


def newcomers(tally: Tally) -> int:
    return sum(n for outcome, n in tally["outcomes"].items() if outcome != "assertion")


def new_users(tally: Tally) -> int:
    return int(tally["outcomes"]["fallback"] + tally["outcomes"]["idp"])


def bounce_rate(tally: Tally) -> float:
    steps = tally["flows"]["general_progress"]
    return 1 - share(steps[ENGAGED], steps[SHOWN])


def median(tally: Tally) -> float:
    sites = sorted(
        int(number) for number, n in tally["sites"]["histogram"].items() for _ in range(n)
    )
    if not sites:
        return nan
    return (sites[(len(sites) - 1) // 2] + sites[len(sites) // 2]) / 2


def quantile(values: Sequence[int], percent: int) -> float:
    """The value at rank floor(percent / 100 (n - 1)), in seconds."""
    if not values:
        return nan
    return sorted(values)[percent * (len(values) - 1) // 100] / 1000


# Reports

_DAILY: Mapping[str, Callable[[Tally], float]] = {
    "sites": lambda tally: share(tally["sites"]["sum"], tally["attempts"]),
    "sites_median": median,
    "assertions": lambda tally: tally["attempts"],
    "bounce_rate": bounce_rate,
    "new_user_success": lambda tally: share(new_users(tally), newcomers(tally)),
    "new_user_per_day": new_users,
    "new_user_bounce": lambda tally: share(tally["outcomes"]["bounce"], newcomers(tally)),
}


def report(name: str, days: Mapping[str, Any], segmentation: str | None = None) -> Any:
    """A report over the days of a truth."""
    if name in OVER_TIME:
        return _over_time(OVER_TIME[name], days)
    columns: dict[str, dict[str, Tally]] = {}
    for day, of in days.items():
        segments = {"Total": of["Total"]} if segmentation is None else of[segmentation]
        for segment, tally in segments.items():
            columns.setdefault(segment, {})[day] = tally
    if name == "new_user":
        return _totals(columns)
    if name == "durations":
        return _durations(columns, by_segment=segmentation is not None)
    made = {
        segment: [
            {"category": day, "value": _defined(_DAILY[name](tally))}
            for day, tally in by_day.items()
            if name not in OF_OUTCOMES or sum(tally["outcomes"].values())
        ]
        for segment, by_day in columns.items()
    }
    return {
        segment: entries for segment, entries in made.items() if entries or segmentation is None
    }


def _over_time(flow: str, days: Mapping[str, Any]) -> dict[str, dict[str, float | None]]:
    made: dict[str, dict[str, float | None]] = {}
    for day, of in days.items():
        steps = of["Total"]["flows"][flow]
        first = next(iter(steps.values()))
        for step, n in steps.items():
            shares = made.setdefault(step, {})
            if any(steps.values()):
                shares[day] = _defined(share(n, first)) if n or first else 0
    return made


def _durations(columns: Mapping[str, Mapping[str, Tally]], *, by_segment: bool) -> Any:
    made = {
        segment: {
            name: {
                day: {
                    "interactions": len(tally["durations"][name]),
                    "median": quantile(tally["durations"][name], 50),
                    "p90": quantile(tally["durations"][name], 90),
                }
                for day, tally in by_day.items()
                if tally["durations"][name]
            }
            for name in next(iter(by_day.values()))["durations"]
        }
        for segment, by_day in columns.items()
    }
    return {segment: of for segment, of in made.items() if any(of.values()) or not by_segment}


def _totals(columns: Mapping[str, Mapping[str, Tally]]) -> dict[str, dict[str, int]]:
    made = {}
    for segment, by_day in columns.items():
        flows = [tally["flows"]["new_user"] for tally in by_day.values()]
        steps = {step: sum(flow[step] for flow in flows) for step in flows[0]}
        if any(steps.values()) or segment == "Total":
            made[segment] = steps
    return made


def _defined(value: float) -> float | None:
    return None if value != value else value  # noqa: PLR0124 -- NaN alone is not itself


# Metrics


def metrics(window: str, truth: Mapping[str, Any], known: Mapping[str, list[str]]) -> Values:
    """Every sample of the KPI families for one window of a truth.

    `known`: the segments of each segmentation; the truth leaves out those without attempts.
    """
    made: Values = {}
    for family, labels, value in _families(truth["Total"]):
        made[f"kpi_{family}", _labels(window=window, **labels)] = value
    nothing = _empty(truth["Total"])
    for segmentation, segments in known.items():
        for segment in segments:
            for family, labels, value in _families(truth[segmentation].get(segment, nothing)):
                if family not in NOT_BY_SEGMENT:
                    place = {"segmentation": segmentation, "segment": segment, **labels}
                    made[f"kpi_segment_{family}", _labels(window=window, **place)] = value
    return made


def _families(tally: Tally) -> Iterator[tuple[str, dict[str, str], float]]:
    outcomes, steps = tally["outcomes"], tally["flows"]["general_progress"]
    yield "sign_in_attempts", {}, tally["attempts"]
    for outcome, n in outcomes.items():
        yield "dialogs", {"outcome": outcome}, n
    yield "bounce_ratio", {}, bounce_rate(tally)
    yield "bounces_signed_in", {}, tally["bounces_signed_in"]
    left = outcomes["bounce"] - tally["bounces_signed_in"]
    yield "abandonment_ratio", {}, share(left, steps[SHOWN])
    yield "new_users", {}, new_users(tally)
    yield "new_user_bounce_ratio", {}, share(outcomes["bounce"], newcomers(tally))
    yield "new_user_success_ratio", {}, share(new_users(tally), newcomers(tally))
    yield "sites_signed_in_mean", {}, share(tally["sites"]["sum"], tally["attempts"])
    yield "sites_signed_in_median", {}, median(tally)
    for name, ms in tally["durations"].items():
        yield "duration_interactions", {"duration": name}, len(ms)
        yield "duration_median_seconds", {"duration": name}, quantile(ms, 50)
        yield "duration_p90_seconds", {"duration": name}, quantile(ms, 90)
    for flow, reached in tally["flows"].items():
        first, *_, last = reached.values()
        yield "flow_completion_ratio", {"flow": flow}, share(last, first)
        for step, n in reached.items():
            labels = {"flow": flow, "step": step}
            yield "flow_step_interactions", labels, n
            yield "flow_step_ratio", labels, share(n, first)
        way = [(step, n) for step, n in reached.items() if step not in ASIDE]
        for (_, before), (step, n) in pairwise(way):
            labels = {"flow": flow, "step": step}
            yield "flow_step_dropoff_ratio", labels, share(before - n, before)


def _empty(like: Tally) -> Tally:
    return {
        "attempts": 0,
        "outcomes": dict.fromkeys(like["outcomes"], 0),
        "bounces_signed_in": 0,
        "flows": {flow: dict.fromkeys(steps, 0) for flow, steps in like["flows"].items()},
        "sites": {"sum": 0, "histogram": {}},
        "durations": {name: [] for name in like["durations"]},
    }


def _labels(**labels: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(labels.items()))


def hours_of_window(snapshot_seconds: float, hours: int) -> tuple[datetime, datetime]:
    """From when to when a window of so many hours reached in a snapshot of that time."""
    end = int(snapshot_seconds) // 3600 + 1
    first, last = ((end - hours) * 3600, end * 3600)
    return datetime.fromtimestamp(first, UTC), datetime.fromtimestamp(last, UTC)
