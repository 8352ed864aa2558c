"""Writes the page for people as HTML that needs nothing from outside."""

import base64
import hashlib
import math
from collections.abc import Iterable
from importlib import resources

from tornado.template import Template

from exporter.domain.kpis import Unit
from exporter.web.page.charts import HEIGHT, WIDTH, Spot, chart
from exporter.web.page.formatting import (
    age_words,
    day_words,
    moment_words,
    value_words,
    window_words,
)
from exporter.web.page.model import Page


class PageTemplate:
    """The page's template, read and compiled once.

    `policy` is the `Content-Security-Policy` that lets it show its own style and nothing else.
    """

    def __init__(self) -> None:
        folder = resources.files("exporter.web.page") / "templates"
        self._style = (folder / "page.css").read_text(encoding="utf-8")
        self._template = Template(
            (folder / "page.html").read_text(encoding="utf-8"),
            name="page.html",
            autoescape="xhtml_escape",
            whitespace="oneline",
        )
        digest = base64.b64encode(hashlib.sha256(self._style.encode()).digest()).decode()
        self.policy = (
            f"default-src 'none'; style-src 'sha256-{digest}'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )

    def render(self, page: Page) -> bytes:
        """Write the page."""
        return self._template.generate(
            page=page,
            style=self._style,
            chart=chart,
            WIDTH=WIDTH,
            HEIGHT=HEIGHT,
            COUNT=Unit.INTERACTIONS,
            isnan=math.isnan,
            RATIO=Unit.RATIO,
            at=_at,
            path=_path,
            age_words=age_words,
            day_words=day_words,
            moment_words=moment_words,
            value_words=value_words,
            window_words=window_words,
        )


def _at(length: float) -> str:
    """A length on the canvas, as short as it can be seen."""
    return f"{length:.1f}".removesuffix(".0")


def _path(spots: Iterable[Spot]) -> str:
    """An SVG path through days that have a value."""
    return "M" + "L".join(f"{_at(s.middle)} {_at(s.y)}" for s in spots if s.y is not None)
