"""Writes the page for people as HTML that needs nothing from outside."""

import base64
import hashlib
import math
from importlib import resources
from urllib.parse import urlencode

from tornado.template import Template

from exporter.domain.kpis import Unit
from exporter.web.page.charts import chart
from exporter.web.page.formatting import (
    age_words,
    day_words,
    moment_words,
    value_words,
)
from exporter.web.page.markup import bar, csv_address, day_rows, segment_rows, small, svg
from exporter.web.page.model import Choice, Page


class PageTemplate:
    """The page's template, read and compiled once.

    `policy` is the `Content-Security-Policy` that lets it use its own style, script and icon and
    nothing else; `icon` is an SVG.
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
        self._script = (folder / "page.js").read_text(encoding="utf-8")
        self.icon = (folder / "favicon.svg").read_bytes()
        self.policy = (
            f"default-src 'none'; style-src {_hash(self._style)}; "
            f"script-src {_hash(self._script)}; img-src 'self'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )

    def render(self, page: Page) -> bytes:
        """Write the page."""
        return self._template.generate(
            page=page,
            style=self._style,
            script=self._script,
            chart=chart,
            svg=svg,
            bar=bar,
            day_rows=day_rows,
            segment_rows=segment_rows,
            small=small,
            COUNT=Unit.INTERACTIONS,
            isnan=math.isnan,
            RATIO=Unit.RATIO,
            csv=csv_address,
            query=_query,
            age_words=age_words,
            day_words=day_words,
            moment_words=moment_words,
            value_words=value_words,
        )


def _hash(text: str) -> str:
    """Return the source expression that allows this text in a policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _query(choice: Choice) -> str:
    """Return the address of the page with that choice."""
    given = {"days": choice.days, "segmentation": choice.segmentation}
    query = urlencode({name: value for name, value in given.items() if value is not None})
    return f"/?{query}" if query else "/"
