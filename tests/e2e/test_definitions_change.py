"""A change of definitions while Prometheus scrapes: every scrape all old or all new."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import requests

from exporter.clock import now
from fake_server import Crowd, FakeKpiggybank
from testing.exporter_process import Daemon, daemon, write_config
from testing.waiting import WAIT_SECONDS, eventually

NARROWER = {"name": "2 - User engaged", "any_of": ["screen.set_password", "screen.pick_email"]}


def kpis(scrape: str) -> str:
    """The lines that a definition decides on, that which names the definitions among them."""
    own = ("kpi_exporter_", "kpi_source_", "kpi_store_", "kpi_newest_", "kpi_snapshot_", "kpi_exp")
    return "\n".join(
        line
        for line in scrape.splitlines()
        if line.startswith(("kpi_exporter_build_info", "kpi_"))
        and (line.startswith("kpi_exporter_build_info") or not line.startswith(own))
    )


@contextmanager
def scraping(served: Daemon) -> Iterator[list[str]]:
    """Scrape all the time until the block ends; what came, in order."""
    seen: list[str] = []
    done = threading.Event()

    def scrape() -> None:
        with requests.Session() as session:
            while not done.wait(0.02):
                answer = session.get(f"{served.address}/metrics", timeout=WAIT_SECONDS)
                assert answer.status_code == 200
                seen.append(kpis(answer.text))

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def changed(config: Path) -> None:
    """Let engaging mean less, and leave a segmentation out."""
    content = json.loads(config.read_text())
    content["flows"] = {
        "general_progress": {
            "steps": [
                {"name": "0 - Blob sent", "always": True},
                {"name": "1 - Dialog shown", "event": "screen.rp_info"},
                NARROWER,
            ]
        },
        "new_user": {"steps": [{"name": "1 - Enter email", "event": "screen.set_password"}]},
    }
    content["segmentations"] = {"Locale": {"field": "lang", "segments": ["en", "de"]}}
    config.write_text(json.dumps(content))


def test_every_scrape_is_all_old_or_all_new(tmp_path: Path) -> None:
    until = now() - timedelta(days=10)  # so that the hour's end changes no window
    with FakeKpiggybank() as bank:
        bank.fill(Crowd(seed=6, per_day=2_500).plans(until - timedelta(days=5), until))
        config = write_config(tmp_path / "config.yml", bank.url, windows=["20d"])
        with daemon(config, "--web.enable-lifecycle") as served:
            served.await_import()
            old = kpis(served.get("/metrics").text)
            with scraping(served) as seen:
                changed(config)
                assert requests.post(f"{served.address}/-/reload", timeout=WAIT_SECONDS).ok
                eventually(lambda: bool(seen) and seen[-1] != old)
                eventually(lambda: served.metric("kpi_exporter_recount_ratio") == 1)
            new = kpis(served.get("/metrics").text)

        (tmp_path / "kpi.db").rename(tmp_path / "recounted.db")
        with daemon(config) as from_the_start:
            from_the_start.await_import()
            assert kpis(from_the_start.get("/metrics").text) == new

    assert old != new
    assert set(seen) == {old, new}
    switch = seen.index(new)
    assert seen == [old] * switch + [new] * (len(seen) - switch)
