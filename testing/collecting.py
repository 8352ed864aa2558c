"""A daemon that collects: its configuration, and posts to it."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import requests

from exporter.clock import now
from exporter.domain.windows import ms_of
from testing.exporter_process import Daemon, daemon
from testing.processes import unused_port
from testing.waiting import WAIT_SECONDS

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


class Senders:
    """Threads that each post one blob after the other, as dialogs do.

    A blob that was not answered 201 is posted again, to the next address.
    """

    def __init__(self, urls: Callable[[], Sequence[str]], *, threads: int = 8) -> None:
        self._urls = urls
        self._stopping = threading.Event()
        self.sent: set[str] = set()
        self.confirmed: set[str] = set()
        self.refused = 0
        self._threads = [
            threading.Thread(target=self._send, args=(n,), daemon=True) for n in range(threads)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop; what is under way is posted until it is confirmed."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(WAIT_SECONDS)
            assert not thread.is_alive()

    def _send(self, number: int) -> None:
        session = requests.Session()
        while not self._stopping.is_set():
            one = blob("screen.rp_info", number_emails=number % 4)
            self.sent.add(one["_id"])
            while not self._confirm(session, one, number):
                time.sleep(0.02)
                number += 1  # a balancer's next try
            self.confirmed.add(one["_id"])

    def _confirm(self, session: requests.Session, one: dict[str, Any], number: int) -> bool:
        urls = self._urls()
        try:
            answer = session.post(urls[number % len(urls)], json=one, timeout=60)
        except requests.RequestException:
            return False
        self.refused += answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
        return answer.status_code == HTTPStatus.CREATED
