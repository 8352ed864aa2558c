"""A real Prometheus on blocks that promtool made of a backfill."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from testing.processes import answers, running, unused_port
from testing.waiting import WAIT_SECONDS

Series = dict[tuple[tuple[str, str], ...], float]


def make_blocks(promtool: Path, history: Path, storage: Path) -> None:
    """Do as docs/history.md says."""
    subprocess.run(
        [
            promtool,
            "tsdb",
            "create-blocks-from",
            "openmetrics",
            "--quiet",
            "--max-block-duration=486h",
            history,
            storage,
        ],
        check=True,
        timeout=WAIT_SECONDS,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    address: str

    def api(self, path: str, **parameters: str | float) -> Any:
        answer = requests.post(
            f"{self.address}/api/v1/{path}", params=parameters, timeout=WAIT_SECONDS
        )
        answer.raise_for_status()
        return answer.json()["data"] if answer.content else None

    def at(self, query: str, time: float) -> Series:
        """Label pairs -> value, as one instant query finds them."""
        return {
            tuple(sorted(each["metric"].items())): float(each["value"][1])
            for each in self.api("query", query=query, time=time)["result"]
        }


@contextmanager
def prometheus_on(prometheus: Path, folder: Path, target: str | None = None) -> Iterator[Server]:
    """Run on `folder/tsdb`, scraping `target` each second if there is one."""
    targets = [] if target is None else [target]
    (folder / "prometheus.yml").write_text(
        f"scrape_configs: [{{job_name: kpi-exporter, scrape_interval: 1s, scrape_timeout: 1s,"
        f" static_configs: [{{targets: {targets}}}]}}]\n"
    )
    port = unused_port()
    address = f"http://127.0.0.1:{port}"
    with running(
        prometheus,
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=tsdb",
        "--storage.tsdb.retention.time=100d",
        "--web.enable-admin-api",
        f"--web.listen-address=127.0.0.1:{port}",
        ready=lambda: answers(f"{address}/-/ready"),
        directory=folder,
    ):
        yield Server(address=address)
