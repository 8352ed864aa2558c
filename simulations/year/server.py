"""A real Prometheus on a database of the past, asked for all its hours at once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
import requests

from testing.processes import answers, running, unused_port

HOUR_SECONDS = 3600
RANGE_SECONDS = 30 * 24 * HOUR_SECONDS
ROOMY = (
    "--query.max-samples=2000000000",
    "--query.timeout=30m",
    "--storage.tsdb.retention.time=100y",
)


class Series(msgspec.Struct):
    """One series of an answer: its labels, and (Unix seconds, value as text)."""

    metric: dict[str, str]
    values: list[tuple[float, str]]


class _Range(msgspec.Struct):
    result: list[Series]


class _Answer(msgspec.Struct):
    data: _Range


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    address: str
    start: datetime
    end: datetime
    step_seconds: int = HOUR_SECONDS

    def stepwise(self, expr: str) -> list[Series]:
        """What an expression gives at each step, an hour as a rule, from `start` on, before `end`.

        In ranges, so that all processors have something to do: a series of more than one
        comes in as many pieces.
        """
        first, end = int(self.start.timestamp()), int(self.end.timestamp())
        with ThreadPoolExecutor() as asked:
            pieces = asked.map(
                lambda since: self._stepwise(expr, since, min(since + RANGE_SECONDS, end)),
                range(first, end, RANGE_SECONDS),
            )
            return [series for piece in pieces for series in piece]

    def _stepwise(self, expr: str, since: int, end: int) -> list[Series]:
        answer = requests.post(
            f"{self.address}/api/v1/query_range",
            data={
                "query": expr,
                "start": since,
                "end": end - self.step_seconds,
                "step": self.step_seconds,
            },
            timeout=1800,
        )
        if not answer.ok:
            raise ValueError(f"{answer.text[:500]} for {expr[:500]}")
        return msgspec.json.decode(answer.content, type=_Answer).data.result

    def value(self, expr: str, at: datetime) -> float:
        """The one value of an expression at an instant."""
        answer = requests.post(
            f"{self.address}/api/v1/query",
            data={"query": expr, "time": at.timestamp()},
            timeout=1800,
        )
        (found,) = answer.json()["data"]["result"]
        return float(found["value"][1])


@contextmanager
def server(
    prometheus: Path,
    directory: Path,
    start: datetime,
    end: datetime,
    step_seconds: int = HOUR_SECONDS,
) -> Iterator[Server]:
    """Run on the blocks in `directory/tsdb`."""
    (directory / "prometheus.yml").write_text("scrape_configs: []\n")
    address = f"http://127.0.0.1:{(port := unused_port())}"
    with running(
        prometheus,
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=tsdb",
        *ROOMY,
        f"--web.listen-address=127.0.0.1:{port}",
        ready=lambda: answers(f"{address}/-/ready"),
        directory=directory,
    ):
        yield Server(address=address, start=start, end=end, step_seconds=step_seconds)
