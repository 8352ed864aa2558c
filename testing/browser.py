"""Headless Chromium, driven over its DevTools protocol."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from tornado.ioloop import IOLoop
from tornado.websocket import WebSocketClientConnection, websocket_connect

from testing.processes import unused_port
from testing.waiting import WAIT_SECONDS, eventually


class Tab:
    """A tab that a test acts in."""

    def __init__(self, address: str) -> None:
        self._loop = IOLoop(make_current=False)
        self._number = 0
        self._socket: WebSocketClientConnection = self._loop.run_sync(
            lambda: websocket_connect(address, max_message_size=64 << 20), timeout=WAIT_SECONDS
        )

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol; return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}

        async def exchange() -> dict[str, Any]:
            await self._socket.write_message(json.dumps(message))
            while True:
                answer = json.loads(await self._socket.read_message() or "{}")
                if answer.get("id") == message["id"]:
                    return dict(answer)

        answer = self._loop.run_sync(exchange, timeout=WAIT_SECONDS)
        assert "error" not in answer, answer
        return dict(answer["result"])

    def run(self, script: str) -> Any:
        """Run a script in the page; return its value."""
        result = self.call("Runtime.evaluate", expression=script, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def open(self, url: str) -> None:
        """Open a page and wait until it is there."""
        self.call("Page.navigate", url=url)
        eventually(
            lambda: self.run("document.readyState + location.href").startswith(f"complete{url}")
        )

    def close(self) -> None:
        """Close the connection, not the tab."""

        async def close() -> None:  # within the loop: outside, asyncio would make another
            self._socket.close()

        self._loop.run_sync(close, timeout=WAIT_SECONDS)
        self._loop.close(all_fds=True)


@contextmanager
def browser(chromium: Path, folder: Path) -> Iterator[Tab]:
    """Run a headless browser with a profile of its own; the tab it begins with."""
    port = unused_port()
    with subprocess.Popen(
        [
            str(chromium),
            "--headless=new",
            "--no-sandbox",  # root has none, and the page is ours
            "--disable-gpu",
            "--no-first-run",
            f"--remote-debugging-port={port}",
            "--remote-allow-origins=*",
            f"--user-data-dir={folder / 'profile'}",
            "about:blank",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            tabs = eventually(lambda: _tabs(port))
            tab = Tab(tabs[0]["webSocketDebuggerUrl"])
            try:
                yield tab
            finally:
                tab.close()
        finally:
            process.terminate()
            process.wait(timeout=WAIT_SECONDS)


def _tabs(port: int) -> list[dict[str, str]]:
    try:
        found = requests.get(f"http://127.0.0.1:{port}/json/list", timeout=5).json()
    except requests.RequestException:
        return []
    return [tab for tab in found if tab["type"] == "page"]
