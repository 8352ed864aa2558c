"""The example sign-in page, followed in a browser until the numbers are on /metrics."""

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import IO

import pytest

from testing.browser import Tab, browser
from testing.exporter_process import Daemon
from testing.waiting import WAIT_SECONDS, eventually


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[tuple[Daemon, str]]:
    """A `demo --collect`, and the address of its sign-in page."""
    command = ["demo", "--collect", "--web.listen-address=127.0.0.1:0"]
    with subprocess.Popen(
        [sys.executable, "-m", "exporter", *command],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            assert process.stdout is not None
            said = printed(process.stdout)
            pages = re.findall(r"http://127\.0\.0\.1:\d+", said)
            output = tmp_path / "output.log"
            yield Daemon(address=pages[1], process=process, output=output), pages[0]
        finally:
            process.terminate()
            process.wait(timeout=WAIT_SECONDS)


def printed(output: IO[bytes]) -> str:
    said = ""
    while "Ctrl-C" not in said:
        said += output.readline().decode()
    return said


def submit(tab: Tab, **fields: str) -> None:
    for name, value in fields.items():
        tab.run(f"document.getElementById('{name}').value = '{value}'")
    tab.run("document.querySelector('form').requestSubmit()")


def sign_up(tab: Tab, address: str) -> None:
    submit(tab, address=address)
    submit(tab, secret="only-for-tests")
    submit(tab)


def test_who_signs_in_on_the_page_is_counted(
    demo: tuple[Daemon, str], chromium: Path, tmp_path: Path
) -> None:
    exporter, page = demo
    with browser(chromium, tmp_path) as tab:
        tab.open(f"{page}/")
        sign_up(tab, "ada@example.org")
        tab.open(f"{page}/?again")  # which ends the dialog before
        submit(tab, address="ada@example.org")
        submit(tab, secret="only-for-tests")
        tab.open("about:blank")

        eventually(lambda: exporter.metric("kpi_sign_in_attempts", window="1d") == 2)
        ended = {
            outcome: exporter.metric("kpi_dialogs", window="1d", outcome=outcome)
            for outcome in ("bounce", "fail", "fallback", "assertion")
        }
        assert ended == {"bounce": 0, "fail": 0, "fallback": 1, "assertion": 1}
        assert exporter.metric("kpi_new_users", window="1d") == 1
        assert (
            exporter.metric(
                "kpi_flow_step_interactions",
                window="1d",
                flow="new_user",
                step="3 - Email verified",
            )
            == 1
        )


def test_what_could_not_be_sent_is_sent_at_the_next_visit_and_counts_once(
    demo: tuple[Daemon, str], chromium: Path, tmp_path: Path
) -> None:
    exporter, page = demo
    unsent = "Object.keys(localStorage).filter((key) => key.startsWith('interaction.')).length"
    with browser(chromium, tmp_path) as tab:
        tab.call("Network.enable")
        tab.open(f"{page}/")
        tab.run("navigator.sendBeacon = () => false")  # the tab is closed without a connection
        sign_up(tab, "ada@example.org")
        assert tab.run(unsent) == 1
        tab.open(f"{page}/?again")

        eventually(lambda: exporter.metric("kpi_dialogs", window="1d", outcome="fallback") == 1)
        # Only the dialog that is open now is not confirmed yet.
        eventually(lambda: tab.run(unsent) == 1)
        tab.open(f"{page}/?third")
        eventually(lambda: exporter.metric("kpi_sign_in_attempts", window="1d") == 2)
        assert exporter.metric("kpi_dialogs", window="1d", outcome="fallback") == 1


def test_the_script_is_short_enough_to_be_read() -> None:
    script = resources.files("exporter.commands.sign_in").joinpath("interactions.js")
    code = [line for line in script.read_text("utf-8").splitlines() if line.strip()]

    assert len(code) <= 50
