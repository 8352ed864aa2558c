"""Measures every query of every dashboard: `python -m grafana.measure`, by hand.

Ninety days of history by the hour, all of it on the screen; two minutes, and two gigabytes of disk
meanwhile.
"""

import json
import shutil
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from exporter.domain.windows import Window
from fake_server.crowd import Crowd
from grafana.queries import (
    Json,
    Query,
    annotation_queries,
    filled,
    panels,
    queries_of,
    span,
)
from tests.conftest import CHECKOUT
from tests.grafana.filled import NOW, WINDOWS, filled_prometheus
from tests.grafana.test_queries import chosen_at_first

DAYS = 90
TIMES = 7
WIDE = 1400  # points across the whole width
COPY = {"flow": "general_progress", "segment": "Windows 7"}  # of a panel that is repeated


def _asked(dashboard: Json) -> Iterator[tuple[Query, dict[str, str], int]]:
    """Return each query with what is chosen, and how many points wide it is drawn."""
    first = chosen_at_first(dashboard)
    for panel in panels(dashboard):
        over = panel.get("repeat")
        across = panel["gridPos"]["w"] // (panel["maxPerRow"] if over else 1)
        values = {**first, over: COPY[over]} if over else first
        yield from ((query, values, WIDE * across // 24) for query in queries_of(panel))
    yield from ((query, first, 100) for query in annotation_queries(dashboard))


def main() -> int:
    """Print how many queries there are and how long each takes, the slowest first."""
    prometheus, promtool = (shutil.which(name) for name in ("prometheus", "promtool"))
    if prometheus is None or promtool is None:
        print("Prometheus is missing: make system", file=sys.stderr)
        return 1
    windows = (Window(name="6h", hours=6), *WINDOWS)
    at = int(NOW.timestamp())
    results: list[tuple[float, str]] = []
    with (
        TemporaryDirectory() as folder,
        filled_prometheus(
            Path(prometheus),
            Path(promtool),
            Path(folder),
            crowd=Crowd(seed=2, per_day=400),
            days=DAYS,
            windows=windows,
        ) as held,
    ):
        (series,) = held.ask('count({__name__=~"kpi_.+", instance="exporter:3434"})', at)
        for file in sorted((CHECKOUT / "grafana/dashboards").glob("*.json")):
            dashboard = json.loads(file.read_text(encoding="utf-8"))
            for query, values, width in _asked(dashboard):
                start = at - int(timedelta(days=DAYS).total_seconds())
                asked = span(start, at, least_step=query.least_step, points=width)
                expr = filled(query.expr, dashboard, values, asked)
                took = []
                for _ in range(TIMES):
                    began = time.perf_counter()
                    if query.instant:
                        held.ask(expr, at)
                    else:
                        held.ask_range(expr, asked.start, asked.end, asked.step)
                    took.append(time.perf_counter() - began)
                name = f"{dashboard['uid']}: {query.place} {query.ref_id}".rstrip()
                results.append((1000 * min(took), name))  # what else ran meanwhile only adds
    print(f"{len(results)} queries, {DAYS} days, {series['value'][1]} series")
    for milliseconds, name in sorted(results, reverse=True)[:15]:
        print(f"{milliseconds:6.0f} ms  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
