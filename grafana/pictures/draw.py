"""Dashboards as pictures: a sketch of what Grafana draws, made of the same answers."""

import io
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from grafana.pictures.answers import Viewer
from grafana.pictures.kinds import FAINT, FRAME, TEXT, bars, chart, figures, rows_of
from grafana.queries import Json

_CELL_WIDTH, _CELL_HEIGHT = 0.56, 0.38  # inches of one cell of the grid
_MARGIN = 0.06
_DPI = 90
_COLOURS = 128


def draw(viewer: Viewer, file: Path) -> None:
    """Draw a dashboard's panels where they stand on its grid."""
    mpl.use("agg")
    mpl.rcParams.update({"font.size": 8, "font.family": "DejaVu Sans", "text.color": TEXT})
    shown = list(viewer.panels())
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel, _ in shown)
    size = (24 * _CELL_WIDTH, rows * _CELL_HEIGHT)
    figure = plt.figure(figsize=size, facecolor="white")
    marks = viewer.marks()
    for panel, values in shown:
        if panel["type"] == "row":
            _heading(figure, panel, size)
            continue
        inner = _frame(figure, panel, size)
        series = viewer.series(panel, values)
        if not series:
            inner.axis("off")
            empty = panel["fieldConfig"]["defaults"].get("noValue", "no data")
            inner.text(0.5, 0.5, empty, ha="center", va="center", color=FAINT)
        elif panel["type"] == "timeseries":
            chart(inner, series, marks, (viewer.start, viewer.at))
        elif panel["type"] == "stat":
            figures(inner, series, viewer.at)
        elif panel["type"] == "bargauge":
            bars(inner, series)
        else:
            rows_of(inner, panel, series, viewer.at)
    picture = io.BytesIO()
    figure.savefig(picture, dpi=_DPI)
    plt.close(figure)
    Image.open(picture).convert("RGB").quantize(_COLOURS).save(file, optimize=True)


def _heading(figure: Figure, panel: Json, size: tuple[float, float]) -> None:
    y = (panel["gridPos"]["y"] + 0.7) * _CELL_HEIGHT
    title = f"▾ {panel['title']}"
    figure.text(_MARGIN / size[0], 1 - y / size[1], title, fontsize=10, fontweight="bold")


def _frame(figure: Figure, panel: Json, size: tuple[float, float]) -> Axes:
    at = panel["gridPos"]
    left, top = at["x"] * _CELL_WIDTH + _MARGIN, at["y"] * _CELL_HEIGHT + _MARGIN
    width, height = at["w"] * _CELL_WIDTH - 2 * _MARGIN, at["h"] * _CELL_HEIGHT - 2 * _MARGIN
    box = (left / size[0], 1 - (top + height) / size[1], width / size[0], height / size[1])
    outer = figure.add_axes(box)
    outer.set(xticks=[], yticks=[])
    for spine in outer.spines.values():
        spine.set_color(FRAME)
    outer.text(
        0.08 / width,
        1 - 0.07 / height,
        panel["title"],
        transform=outer.transAxes,
        va="top",
        fontweight="bold",
    )
    # Inches to the left, right, bottom and top, for axes and legend.
    west, east, south, north = {
        "timeseries": (0.55, 0.12, 0.55, 0.32),
        "stat": (0.08, 0.08, 0.06, 0.28),
        "bargauge": (0.1, 0.1, 0.1, 0.3),
        "table": (0.08, 0.08, 0.08, 0.3),
    }[panel["type"]]
    inner = (west / width, south / height, 1 - (west + east) / width, 1 - (south + north) / height)
    return outer.inset_axes(inner)
