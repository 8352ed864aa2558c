"""The kinds of panels, drawn."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from math import isnan, nan
from typing import TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from grafana.pictures.answers import Series
from grafana.pictures.looks import colour_at, written
from grafana.queries import Json

TEXT, FAINT, FRAME = "#24292E", "#6A7078", "#DADCE0"
_BAR = "#0072B2"
_DAY = 86_400
_ROUND = (3_600, 7_200, 10_800, 21_600, _DAY, 2 * _DAY, 5 * _DAY, 10 * _DAY)

Row: TypeAlias = dict[str, str | float]


def chart(
    axes: Axes,
    series: Sequence[Series],
    marks: Sequence[tuple[float, str]],
    limits: tuple[float, float],
) -> None:
    """Draw lines over time, with milestones."""
    below = np.zeros(len(series[0].values))
    drawn: dict[str, Series] = {}
    for one in sorted(series, key=lambda each: each.look.name):
        look = one.look
        times = np.array(one.times)
        values = np.array(one.values)
        if look.stacked:
            floor, values = below, below + np.nan_to_num(values)
            axes.fill_between(times, floor, values, color=look.colour, alpha=look.filled, lw=0)
            below = values
        elif look.fill_below_to and look.fill_below_to in drawn:
            floor = np.array(drawn[look.fill_below_to].values)
            axes.fill_between(times, floor, values, color=look.colour, alpha=look.filled, lw=0)
        elif look.filled:
            axes.fill_between(times, 0, values, color=look.colour, alpha=look.filled, lw=0)
        drawn[look.name] = one
        width, style = 0.7 * look.width, (0, (5, 4)) if look.dashed else "-"
        axes.plot(times, values, color=look.colour, lw=width, ls=style, label=look.name)
    for at, name in marks:
        axes.axvline(at, color=_BAR, lw=0.8, ls=":")
        axes.annotate(
            name, (at, 1), xycoords=("data", "axes fraction"), fontsize=6, color=_BAR,
            rotation=90, va="top", ha="right",
        )  # fmt: skip
    unit = series[0].look.unit
    axes.set_xlim(limits)
    _date(axes, limits)
    if all(value >= 0 for one in series for value in one.values if not isnan(value)):
        axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(
        FuncFormatter(
            lambda value, _: written(value, unit, 0, decimals=0 if unit != "short" else None)
        )
    )
    axes.grid(color=FRAME, lw=0.5)
    axes.tick_params(length=0, labelsize=7, labelcolor=FAINT)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.legend(
        loc="upper left",
        bbox_to_anchor=(-0.04, -0.09),
        ncols=6,
        frameon=False,
        fontsize=6.5,
        handlelength=1.5,
        columnspacing=1.0,
        labelspacing=0.2,
    )


def _date(axes: Axes, limits: tuple[float, float]) -> None:
    """Mark the time axis at round instants."""
    step = next(each for each in _ROUND if each >= (limits[1] - limits[0]) / 8)
    axes.set_xticks(range(-int(-limits[0] // step) * step, int(limits[1]), step))
    form = "%d %b" if step >= _DAY else "%H:%M"
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda at, _: datetime.fromtimestamp(at, tz=UTC).strftime(form))
    )


def figures(axes: Axes, series: Sequence[Series], now: float) -> None:
    """Write the last values large, each with its past as a small line."""
    axes.axis("off")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    part = 1 / len(series)
    for n, one in enumerate(series):
        value = next((v for v in reversed(one.values) if not isnan(v)), nan)
        paint = FAINT if isnan(value) else colour_at(one.look.steps, value)
        top = 1 - n * part
        named = len(series) > 1
        if named:
            axes.text(0, top - 0.06 * part, one.look.name, va="top", fontsize=7, color=FAINT)
        text = written(value, one.look.unit, now)
        axes.text(
            0.5 if not named else 1, top - 0.42 * part, text,
            ha="center" if not named else "right", va="center", color=paint, fontsize=15,
        )  # fmt: skip
        if len(one.values) > 1:
            past = axes.inset_axes((0, top - part, 1, 0.4 * part))
            past.axis("off")
            past.fill_between(
                range(len(one.values)), _least(one), one.values, color=paint, alpha=0.2
            )
            past.plot(one.values, color=paint, lw=0.8)


def _least(one: Series) -> float:
    return min((value for value in one.values if not isnan(value)), default=0.0)


def bars(axes: Axes, series: Sequence[Series]) -> None:
    """Draw bars below each other."""
    axes.axis("off")
    ordered = sorted(series, key=lambda one: one.labels["step"])
    most = max(one.values[-1] for one in ordered) or 1
    for n, one in enumerate(ordered):
        axes.barh(n, 1, color=FRAME, alpha=0.4, height=0.4)
        axes.barh(n, one.values[-1] / most, color=_BAR, height=0.4)
        axes.text(0, n - 0.28, one.labels["step"], fontsize=7, va="bottom")
        value = written(one.values[-1], one.look.unit, 0)
        axes.text(1, n - 0.28, value, fontsize=8, va="bottom", ha="right", color=_BAR)
    axes.set(xlim=(0, 1), ylim=(len(ordered) - 0.5, -0.8))


def rows_of(axes: Axes, panel: Json, series: Sequence[Series], now: float) -> None:
    """Write a table: one row for each combination of labels, in the panel's order."""
    axes.axis("off")
    (organized,) = (t["options"] for t in panel["transformations"] if t["id"] == "organize")
    places: dict[str, int] = organized["indexByName"]
    titles = {
        name: organized["renameByName"][name] for name in sorted(places, key=places.__getitem__)
    }
    values = [name for name in titles if name.startswith("Value")]
    labels = [name for name in titles if name not in values]
    table: dict[tuple[str, ...], dict[str, float]] = {}
    for one in series:
        key = tuple(one.labels.get(name, "") for name in labels)
        column = f"Value #{one.ref_id}" if len(values) > 1 else "Value"
        table.setdefault(key, {})[titles[column]] = one.values[-1]
    rows: list[Row] = [
        {**{titles[name]: text for name, text in zip(labels, key, strict=True)}, **numbers}
        for key, numbers in table.items()
    ]
    for transformation in panel["transformations"]:
        if transformation["id"] == "sortBy":
            (order,) = transformation["options"]["sort"]
            rows.sort(key=partial(_sortable, order["field"]), reverse=order["desc"])
    _write_table(axes, panel, list(titles.values()), rows, now)


def _sortable(field: str, row: Row) -> tuple[float, str]:
    value = row.get(field, nan)
    return (0.0, value) if isinstance(value, str) else (-1e300 if isnan(value) else value, "")


def _write_table(
    axes: Axes, panel: Json, titles: Sequence[str], rows: Sequence[Row], now: float
) -> None:
    looks: dict[str, Json] = {
        override["matcher"]["options"]: {
            each["id"]: each["value"] for each in override["properties"]
        }
        for override in panel["fieldConfig"]["overrides"]
    }

    def cell(row: Row, title: str) -> str:
        value, look = row.get(title, ""), looks[title]
        if isinstance(value, str):
            return value
        return written(value, look["unit"], now, look.get("decimals"))

    # Grafana's cells are 36 px high.
    room = max(int(panel["gridPos"]["h"] * 38 / 36) - 2, 1)
    texts = [list(titles), *([cell(row, title) for title in titles] for row in rows[:room])]
    lengths = [3 + max(len(text) for text in column) for column in zip(*texts, strict=True)]
    lengths = [
        length + 12 if "custom.cellOptions" in looks[title] else length
        for title, length in zip(titles, lengths, strict=True)
    ]
    edges = np.cumsum([0, *lengths]) / sum(lengths)
    height = 1 / (room + 1)
    for n, text in enumerate(texts):
        y = 1 - (n + 0.5) * height
        for m, title in enumerate(titles):
            left = edges[m]
            value = rows[n - 1].get(title) if n else None
            if "custom.cellOptions" in looks[title] and isinstance(value, float):
                length = 0.55 * (edges[m + 1] - left)
                axes.barh(y, length * min(value, 1), left=left, height=0.6 * height, color=_BAR)
                left += length + 0.01
            weight = "bold" if n == 0 else "normal"
            axes.text(left, y, text[m], va="center", fontsize=7, fontweight=weight)
        axes.axhline(y - height / 2, color=FRAME, lw=0.5)
    axes.set(xlim=(0, 1), ylim=(0, 1))
