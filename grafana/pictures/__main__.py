"""Draw the dashboards for the documentation: `python -m grafana.pictures`.

Starts a real Prometheus, fills it with the past of simulated users, asks every panel's queries
and draws the answers to docs/pictures. A sketch, not a renderer: it shows what stands where.
"""

import json
import shutil
import sys
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from fake_server.crowd import Crowd
from fake_server.incidents import Incident
from grafana.pictures.answers import Viewer
from grafana.pictures.draw import draw
from grafana.queries import ALL, variables
from tests.grafana.filled import NOW, filled_prometheus

_CHECKOUT = Path(__file__).parent.parent.parent
_CHOSEN = {"kpi-flows": {"flow": "new_user"}}
"""What is chosen beyond what a dashboard opens with."""


def main() -> int:
    """Draw every dashboard."""
    programs = shutil.which("prometheus"), shutil.which("promtool")
    if None in programs:
        print("Prometheus is missing: make system", file=sys.stderr)
        return 1
    prometheus, promtool = (Path(str(program)) for program in programs)
    broken = Incident(
        kind="bounce",
        start=NOW - timedelta(hours=20),
        end=NOW,
        severity=0.7,
        segmentation="OS",
        segment="Linux",
    )
    crowd = Crowd(seed=5, per_day=1500, incidents=(broken,))
    with (
        TemporaryDirectory() as folder,
        filled_prometheus(
            prometheus,
            promtool,
            Path(folder),
            crowd=crowd,
            days=40,
            scraped_for=timedelta(hours=14),
        ) as filled,
    ):
        for file in sorted((_CHECKOUT / "grafana/dashboards").glob("*.json")):
            dashboard = json.loads(file.read_text(encoding="utf-8"))
            first = {
                name: variable.get("current", {}).get("value", "")
                for name, variable in variables(dashboard).items()
            }
            values = {name: ALL if v == [ALL] else v for name, v in first.items()}
            values |= _CHOSEN.get(dashboard["uid"], {})
            viewer = Viewer(
                prometheus=filled.url, dashboard=dashboard, at=int(NOW.timestamp()), values=values
            )
            draw(viewer, _CHECKOUT / f"docs/pictures/{dashboard['uid']}.png")
            print(f"docs/pictures/{dashboard['uid']}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
