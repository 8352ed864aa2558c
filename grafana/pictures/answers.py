"""What each panel of a dashboard shows: its copies, its series, its rows."""

import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import requests

from grafana.pictures.looks import Look, legend_of, look
from grafana.queries import (
    ALL,
    Json,
    Query,
    Span,
    annotation_queries,
    filled,
    queries_of,
    seconds,
    span,
    variables,
)

_POINTS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A series with its looks; an instant query's has one value."""

    look: Look
    ref_id: str
    labels: Mapping[str, str]
    times: Sequence[float]
    values: Sequence[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Someone who looks at a dashboard at an instant, with something chosen."""

    prometheus: str
    dashboard: Json
    at: int
    values: Mapping[str, str]

    @property
    def start(self) -> int:
        """Where the time range begins."""
        return self.at - seconds(self.dashboard["time"]["from"].removeprefix("now-"))

    def panels(self) -> Iterator[tuple[Json, Mapping[str, str]]]:
        """Return each panel as often as it is repeated, with what is chosen for the copy."""
        chosen = dict(self.values)
        for panel in self.dashboard["panels"]:
            if panel["type"] == "row" and "repeat" in panel:
                chosen[panel["repeat"]] = self.options(panel["repeat"])[0]
            over = panel.get("repeat") if panel["type"] != "row" else None
            if over is None:
                yield _worded(panel, chosen), chosen
                continue
            options = self.options(over)
            across = min(len(options), panel["maxPerRow"])
            for n, option in enumerate(options):
                copy = _worded(panel, {**chosen, over: option})
                place, width = panel["gridPos"], 24 // across
                copy["gridPos"] = {
                    **place,
                    "w": width,
                    "x": width * (n % across),
                    "y": place["y"] + place["h"] * (n // across),
                }
                yield copy, {**chosen, over: option}

    def options(self, name: str) -> list[str]:
        """List what a variable offers; what is chosen, if that is not all."""
        if self.values[name] != ALL:
            return [self.values[name]]
        asked = variables(self.dashboard)[name]["query"]["query"]
        metric = asked.removeprefix("label_values(").removesuffix(")").rsplit(", ", 1)[0]
        at = span(self.start, self.at)
        match = filled(metric, self.dashboard, self.values, at)
        answer = requests.get(
            f"{self.prometheus}/api/v1/label/{name}/values",
            {"match[]": match, "start": str(at.start), "end": str(at.end)},
            timeout=30,
        ).json()
        return list(answer["data"])

    def series(self, panel: Json, values: Mapping[str, str]) -> list[Series]:
        """Ask a panel's queries."""
        result: list[Series] = []
        for query, target in zip(queries_of(panel), panel["targets"], strict=True):
            for labels, times, numbers in self._ask(query, values):
                legend = legend_of(target.get("legendFormat", ""), labels, values)
                result.append(
                    Series(
                        look=look(panel, query.ref_id, labels, legend, len(result)),
                        ref_id=query.ref_id,
                        labels=labels,
                        times=times,
                        values=numbers,
                    )
                )
        return result

    def marks(self) -> list[tuple[float, str]]:
        """Return the milestones of the range: instant in Unix seconds, and name."""
        return [
            (numbers[-1] / 1000, labels["milestone"])
            for query in annotation_queries(self.dashboard)
            if query.place == "Milestones"
            for labels, _, numbers in self._ask(query, self.values)
            if self.start <= numbers[-1] / 1000 <= self.at
        ]

    def _ask(
        self, query: Query, values: Mapping[str, str]
    ) -> Iterator[tuple[dict[str, str], list[float], list[float]]]:
        at = span(self.start, self.at, least_step=query.least_step, points=_POINTS)
        expr = filled(query.expr, self.dashboard, values, at)
        if query.instant:
            answer = self._get("query", {"query": expr, "time": str(self.at)})
        else:
            bounds = {"start": str(at.start), "end": str(at.end), "step": str(at.step)}
            answer = self._get("query_range", {"query": expr, **bounds})
        for one in answer:
            samples = [one["value"]] if query.instant else _with_gaps(one["values"], at)
            yield (
                one["metric"],
                [float(time) for time, _ in samples],
                [float(value) for _, value in samples],
            )

    def _get(self, api: str, parameters: dict[str, str]) -> list[dict[str, Any]]:
        answer = requests.post(f"{self.prometheus}/api/v1/{api}", parameters, timeout=60).json()
        return list(answer["data"]["result"])


def _with_gaps(samples: list[Any], at: Span) -> list[Any]:
    """Put a NaN where a step has no sample, so that the line breaks."""
    known = {int(float(time)): value for time, value in samples}
    return [(time, known.get(time, "NaN")) for time in range(at.start, at.end + 1, at.step)]


def _worded(panel: Json, values: Mapping[str, str]) -> Json:
    """Return a copy of a panel with the variables in its title filled in."""
    copy = deepcopy(panel)
    copy["title"] = re.sub(
        r"\$(\w+)", lambda match: str(values.get(match[1], match[0])), copy["title"]
    )
    return copy
