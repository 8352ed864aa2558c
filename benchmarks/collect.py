"""Collecting under load: `python -m benchmarks.collect --rate 2000 --array 1`.

Clients with a connection each post blobs to a real `kpi-exporter serve` on a temporary SQLite file,
or on the CouchDB of `--store`, at a rate (0: as fast as they are answered), while its metrics are
scraped. Printed: blobs a second, percentiles of the answer in milliseconds, answers by status.

With CouchDB its floor comes first: the same requests, each written by a bare `_bulk_docs` into a
database of their own, that is deleted at the end.
"""

import argparse
import asyncio
import base64
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import requests

from testing.processes import unused_port
from testing.waiting import eventually

PATH = "/wsapi/interaction_data"
SCRAPE_SECONDS = 1.0


def blob(number: int) -> dict[str, object]:
    """A blob of this moment, of the usual size."""
    events = [["window.dom_loading", 972], ["screen.rp_info", 2721], ["screen.authenticate", 3032]]
    events += [["xhr_complete.GET/wsapi/session_context", 2723, 294]] * 6
    events += [["authenticate.enter_password", 9000], ["assertion_generated", 23761]]
    return {
        "_id": os.urandom(16).hex(),
        "timestamp": int(time.time()) // 600 * 600_000,
        "event_stream": events,
        "lang": ("en", "de", "pt-BR")[number % 3],
        "number_emails": number % 4,
        "screen_size": {"width": 1680, "height": 1050},
        "user_agent": {"os": "Macintosh", "browser": "Firefox", "version": 18},
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where blobs are posted to: `wrapped` as `_bulk_docs` wants them, `header` with a CRLF."""

    url: str
    header: str = ""
    wrapped: bool = False

    def body(self, blobs: list[dict[str, object]]) -> str:
        """Return the body of a request."""
        content: object = blobs if len(blobs) > 1 else blobs[0]
        if self.wrapped:
            content = {"docs": blobs}
        return json.dumps(content, separators=(",", ":"))


class Load:
    """What clients do, and what they were answered."""

    def __init__(
        self, target: Target, *, array: int, clients: int, seconds: float, rate: float
    ) -> None:
        self._target = target
        parts = urlsplit(target.url)
        self._host, self._port, self._path = parts.hostname, parts.port, parts.path
        self._array = array
        self._clients = clients
        self._until = time.monotonic() + seconds
        self._pause = array * clients / rate if rate else 0.0
        self.answers: Counter[int] = Counter()
        self.seconds: list[float] = []

    async def run(self) -> None:
        """Post from all clients, until the time is over."""
        await asyncio.gather(*(self._client(n) for n in range(self._clients)))

    async def _client(self, number: int) -> None:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        due = time.monotonic() + self._pause * number / self._clients
        while (now := time.monotonic()) < self._until:
            if self._pause:
                await asyncio.sleep(max(0.0, due - now))
                due += self._pause
            blobs = [blob(n) for n in range(self._array)]
            body = self._target.body(blobs)
            began = time.monotonic()
            writer.write(
                f"POST {self._path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                f"{self._target.header}Content-Length: {len(body)}\r\n\r\n{body}".encode()
            )
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                if "content-length: " in head:
                    length = int(head.split("content-length: ")[1].split("\r\n")[0])
                    await reader.readexactly(length)
                else:  # CouchDB answers in chunks
                    await reader.readuntil(b"\r\n0\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                self.answers[0] += 1
                return
            status = int(head.split()[1])
            self.answers[status] += 1
            self.seconds.append(time.monotonic() - began)
        writer.close()


def main() -> None:
    """Measure, and print one line."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--store", default="")
    options.add_argument("--rate", type=float, default=0)
    options.add_argument("--array", type=int, default=1)
    options.add_argument("--clients", type=int, default=32)
    options.add_argument("--seconds", type=float, default=20)
    chosen = options.parse_args()
    if chosen.store.startswith("couchdb"):
        _floor(chosen)
    with tempfile.TemporaryDirectory() as folder:
        _measure(chosen, Path(folder))


def _floor(chosen: argparse.Namespace) -> None:
    """Measure CouchDB without the exporter."""
    parts = urlsplit(chosen.store)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    url = f"http://{parts.hostname}:{parts.port}{parts.path}-floor"
    requests.put(url, auth=(user, password), timeout=60).raise_for_status()
    basic = base64.b64encode(f"{user}:{password}".encode()).decode()
    header = f"Authorization: Basic {basic}\r\n"
    target = Target(url=f"{url}/_bulk_docs", header=header, wrapped=True)
    try:
        print("the floor:")
        asyncio.run(_loaded(chosen, target, None))
    finally:
        requests.delete(url, auth=(user, password), timeout=60)


def _measure(chosen: argparse.Namespace, folder: Path) -> None:
    web, collect = unused_port(), unused_port()
    config = folder / "kpi-exporter.yml"
    store = chosen.store or f"sqlite:{folder / 'kpi.db'}"
    content = {
        "store": {"url": store},
        "collect": {"listen": f"127.0.0.1:{collect}", "max_rate": 1_000_000},
        "web": {"listen": f"127.0.0.1:{web}"},
    }
    config.write_text(json.dumps(content))
    command = [sys.executable, "-m", "exporter", "serve", f"--config.file={config}"]
    with subprocess.Popen(command) as process:
        try:
            eventually(lambda: _answers(f"http://127.0.0.1:{web}/-/healthy"))
            target = Target(url=f"http://127.0.0.1:{collect}{PATH}")
            asyncio.run(_loaded(chosen, target, f"http://127.0.0.1:{web}/metrics"))
            status = Path(f"/proc/{process.pid}/status").read_text()
            print("memory of serve:", status.split("VmHWM:")[1].split("kB")[0].strip(), "KiB")
            used = _cpu(Path(f"/proc/{process.pid}/stat").read_text())
            print("processor time of serve:", used, "s")
        finally:
            process.terminate()


def _cpu(stat: str) -> float:
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _loaded(chosen: argparse.Namespace, target: Target, metrics: str | None) -> None:
    load = Load(
        target,
        array=chosen.array,
        clients=chosen.clients,
        seconds=chosen.seconds,
        rate=chosen.rate,
    )
    scrapes: list[float] = []
    scraping = asyncio.create_task(_scrape(metrics, scrapes)) if metrics else None
    began = time.monotonic()
    await load.run()
    took = time.monotonic() - began
    if scraping:
        scraping.cancel()
    seconds = sorted(load.seconds)

    def percentile(share: float) -> str:
        return f"{1000 * seconds[int(share * (len(seconds) - 1))]:.1f}"

    stored = load.answers[201] * chosen.array
    print(
        f"{stored / took:,.0f} blobs/s in {took:.1f} s, {chosen.clients} clients, arrays of"
        f" {chosen.array}; ms p50 {percentile(0.5)} p90 {percentile(0.9)} p99 {percentile(0.99)}"
        f" max {percentile(1)}; answers {dict(load.answers)}; slowest of {len(scrapes)} scrapes"
        f" {1000 * max(scrapes, default=0):.0f} ms"
    )


async def _scrape(metrics: str, scrapes: list[float]) -> None:
    while True:
        await asyncio.sleep(SCRAPE_SECONDS)
        began = time.monotonic()
        await asyncio.to_thread(requests.get, metrics, timeout=60)
        scrapes.append(time.monotonic() - began)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False


if __name__ == "__main__":
    main()
