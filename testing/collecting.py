"""A daemon that collects: its configuration, and posts to it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import requests

from exporter.clock import now
from exporter.domain.windows import ms_of
from testing.exporter_process import Daemon, daemon
from testing.processes import unused_port

PATH = "/wsapi/interaction_data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Collecting:
    """A daemon that runs, and where interactions are posted to."""

    daemon: Daemon
    url: str

    def post(self, *blobs: dict[str, Any]) -> int:
        """Post blobs as one request; return the answer's status, 0 without one."""
        try:
            return requests.post(self.url, json=list(blobs), timeout=60).status_code
        except requests.RequestException:
            return 0


def blob(*events: str, **more: Any) -> dict[str, Any]:
    """A blob of this moment, with an id of its own."""
    stream = [[name, 100 * n] for n, name in enumerate(events or ("screen.rp_info",))]
    return {"_id": uuid4().hex, "timestamp": ms_of(now()), "event_stream": stream, **more}


def write_collect_config(folder: Path, **more: Any) -> Path:
    """Write a configuration that collects; `collect` says what is not as usual."""
    collect = {"listen": f"127.0.0.1:{unused_port()}", "max_rate": 100_000}
    content = {
        "store": {"url": f"sqlite:{folder / 'kpi.db'}"},
        **more,
        "collect": {**collect, **more.get("collect", {})},
    }
    config = folder / "kpi-exporter.yml"
    config.write_text(json.dumps(content, indent=1))
    return config


@contextmanager
def collecting(config: Path, *arguments: str) -> Iterator[Collecting]:
    """Run the daemon with a configuration that collects."""
    with daemon(config, *arguments) as running:
        listen = json.loads(config.read_text())["collect"]["listen"]
        yield Collecting(daemon=running, url=f"http://{listen}{PATH}")
