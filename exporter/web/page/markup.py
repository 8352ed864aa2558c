"""Writes charts as SVG, days as rows of a table, and tables as CSV: what a page has most of."""

import csv
import io
from collections.abc import Iterable
from urllib.parse import quote

from tornado.escape import xhtml_escape

from exporter.domain.kpis import Unit
from exporter.web.page.charts import HEIGHT, WIDTH, Chart, Spot
from exporter.web.page.formatting import day_words, value_words
from exporter.web.page.model import Day, KpiCard, SegmentValue

_DATES = HEIGHT - 3  # the line on which dates and a day's words stand
_LABEL_ABOVE = 4  # how far a label stands above the line that it belongs to


def at(length: float) -> str:
    """Write a length on the canvas, as short as it can be seen."""
    return f"{length:.1f}".removesuffix(".0")


def svg(drawing: Chart, kpi: KpiCard, number: int) -> str:
    """Draw a KPI's days; `number` is that of the chart on the page."""
    head = (
        f'<svg class="chart" viewBox="0 0 {at(WIDTH)} {at(HEIGHT)}" role="group"'
        f' aria-labelledby="chart-{number}" aria-describedby="words-{number}">'
        f'<title id="chart-{number}">{xhtml_escape(kpi.title)} by day</title>'
        f'<desc id="words-{number}">{xhtml_escape(drawing.description)}</desc>'
    )
    return "".join(
        (
            head,
            *_scale(drawing),
            *_bounds(kpi),
            *_milestones(drawing),
            *(_bars(drawing) if drawing.bars else _line(drawing)),
            *map(_day, drawing.spots),
            "</svg>",
        )
    )


def _scale(drawing: Chart) -> Iterable[str]:
    yield _across("scale", drawing.top) + _text(drawing.top - _LABEL_ABOVE, drawing.highest)
    if drawing.lowest:
        yield _across("scale", drawing.bottom)
        yield _text(drawing.bottom - _LABEL_ABOVE, drawing.lowest)
    yield _across("scale zero", drawing.zero)


def _across(css: str, y: float) -> str:
    return f'<path class="{css}" d="M0 {at(y)}H{at(WIDTH)}"/>'


def _text(y: float, text: str) -> str:
    return f'<text y="{at(y)}">{xhtml_escape(text)}</text>'


def _bounds(kpi: KpiCard) -> Iterable[str]:
    first, last = (day_words(day.date) for day in (kpi.days[0], kpi.days[-1]))
    yield f'<text class="bound" y="{at(_DATES)}">{first}</text>'
    yield f'<text class="bound end" x="{at(WIDTH)}" y="{at(_DATES)}">{last}</text>'


def _milestones(drawing: Chart) -> Iterable[str]:
    for spot in drawing.spots:
        if spot.milestone:
            x = at(spot.middle)
            yield f'<path class="milestone" d="M{x} {at(drawing.top - 6)}V{at(drawing.bottom)}"/>'
            yield f'<circle class="flag" cx="{x}" cy="{at(drawing.top - 8)}" r="2.5"/>'
    for label in drawing.labels:
        yield (
            f'<text class="label{" end" if label.leftwards else ""}" x="{at(label.x)}"'
            f' y="{at(drawing.top - _LABEL_ABOVE)}">{xhtml_escape(label.text)}</text>'
        )


def _bars(drawing: Chart) -> Iterable[str]:
    for css, over in (("bar", True), ("so-far", False)):
        bars = [_bar(drawing, s) for s in drawing.spots if s.y is not None and s.over is over]
        if bars:
            yield f'<path class="{css}" d="{"".join(bars)}"/>'


def _bar(drawing: Chart, spot: Spot) -> str:
    x, width, y = spot.x + spot.width * 0.15, at(spot.width * 0.7), spot.y or 0.0
    return f"M{at(x)} {at(y)}h{width}V{at(drawing.zero)}h-{width}z"


def _line(drawing: Chart) -> Iterable[str]:
    for piece in drawing.pieces:
        if len(piece) == 1:
            yield _dot("dot", piece[0], 2.5)
        else:
            path = _path(piece)
            back = f"V{at(drawing.zero)}H{at(piece[0].middle)}Z"
            yield f'<path class="area" d="{path}{back}"/><path class="line" d="{path}"/>'
    if so_far := drawing.so_far:
        yield f'<path class="line so-far" d="{_path(so_far)}"/>' + _dot("so-far", so_far[-1], 3)


def _dot(css: str, spot: Spot, radius: float) -> str:
    return f'<circle class="{css}" cx="{at(spot.middle)}" cy="{at(spot.y or 0.0)}" r="{radius}"/>'


def _path(spots: Iterable[Spot]) -> str:
    """Return a path through days that have a value."""
    return "M" + "L".join(f"{at(s.middle)} {at(s.y)}" for s in spots if s.y is not None)


def _day(spot: Spot) -> str:
    """Return a day's column and its words, which are shown while it is looked at."""
    return (
        f'<g class="day{" late" if spot.late else ""}"><rect x="{at(spot.x)}"'
        f' width="{at(spot.width)}"/><text>{xhtml_escape(spot.words)}</text></g>'
    )


def day_rows(days: Iterable[Day], unit: Unit) -> str:
    """Write days as rows of a table, the last first, without the end tags that HTML spares."""
    return "".join(
        f"<tr><th>{day_words(day.date)}<td>{value_words(day.value, unit)}"
        + (f"<td>{xhtml_escape(day.parts)}" if day.parts else "")
        for day in reversed(tuple(days))
    )


def segment_rows(segments: Iterable[SegmentValue], unit: Unit) -> str:
    """Write segments as rows of a table: value, what it is made of, and the value before."""
    return "".join(
        f"<tr><th><bdi>{xhtml_escape(s.segment)}</bdi>{small(s.parts)}{bar(s.share)}"
        f"<td>{value_words(s.value, unit)}<td>{value_words(s.before, unit)}{small(s.change)}"
        for s in segments
    )


def small(text: str) -> str:
    """Write a line beneath a value, if there is any."""
    return f"<small>{xhtml_escape(text)}</small>" if text else ""


def bar(share: float) -> str:
    """Draw a share of a whole, beside the same as a number."""
    return (
        '<svg viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">'
        f'<path d="M0 0h{at(share * 100)}v1H0z"/></svg>'
    )


def csv_address(*rows: Iterable[object]) -> str:
    """Return the address of a table as CSV, which holds the table itself; numbers to six digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([f"{v:.6g}" if isinstance(v, float) else v for v in row] for row in rows)
    lines = (quote(line, safe=",:") for line in text.getvalue().split("\n"))
    return "data:text/csv;charset=utf-8," + "%0A".join(lines)
