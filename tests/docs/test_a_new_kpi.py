"""A KPI is one entry in one table: metrics, commands and documentation have it from there."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from docs.pages import CHECKOUT
from exporter.clock import now
from fake_server import Crowd, FakeKpiggybank
from testing.exporter_process import daemon, exporter_process, write_config

TABLE = "_TABLE = (\n"
ENTRY = """\
    Kpi(
        name="signed_in_bounce_ratio",
        title="Signed-in bounces",
        unit=Unit.RATIO,
        help="Bounces signed in / bounces.",
        explanation="Bounces that were signed in.",
        formula=lambda layout: [
            Formula(plus=(layout.bounces_signed_in,), over=(layout.outcomes[Outcome.BOUNCE],))
        ],
    ),
"""
FAMILY = "kpi_signed_in_bounce_ratio"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of which one thing is changed: the table has another entry."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("exporter", "docs"):
        shutil.copytree(CHECKOUT / name, folder / name)
    for file in (*CHECKOUT.glob("*.md"), CHECKOUT / "pyproject.toml"):
        shutil.copy(file, folder)
    table = folder / "exporter/domain/kpis.py"
    text = table.read_text("utf-8")
    assert text.count(TABLE) == 1
    table.write_text(text.replace(TABLE, TABLE + ENTRY), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def page(checkout: Path) -> Iterator[tuple[str, str, str]]:
    """What the daemon of that checkout shows: its page, /metrics, and what `explain` prints."""
    until = now()
    with FakeKpiggybank() as bank:
        bank.fill(Crowd(seed=3, per_day=20).plans(until - timedelta(days=2), until))
        config = write_config(checkout / "kpi.yml", bank.url)
        with daemon(config) as served:
            served.await_import()
            shown = served.get("/").text, served.get("/metrics").text
        explained = exporter_process("explain", FAMILY, f"--config.file={config}", cwd=checkout)
        assert explained.returncode == 0, explained.stderr
        yield *shown, explained.stdout


def test_it_is_on_metrics_in_total_and_by_segment(page: tuple[str, str, str]) -> None:
    _, metrics, _ = page
    assert f"# HELP {FAMILY} Bounces signed in / bounces. " in metrics
    assert f'\n{FAMILY}{{window="1d"}} ' in metrics
    assert '\nkpi_segment_signed_in_bounce_ratio{segment="English",' in metrics


def test_it_is_on_the_page(page: tuple[str, str, str]) -> None:
    assert "<h3" in page[0]
    assert ">Signed-in bounces</h3>" in page[0]


def test_it_is_explained(page: tuple[str, str, str]) -> None:
    *_, explained = page
    assert explained.startswith("Signed-in bounces: Bounces signed in / bounces.\n")
    assert "\n  = A / B\n" in explained


def test_it_is_in_the_documentation(checkout: Path) -> None:
    subprocess.run([sys.executable, "-m", "docs"], cwd=checkout, check=True)
    for name in ("README.md", "docs/reference/kpis.md", "docs/reference/metrics.md"):
        assert f"`{FAMILY}`" in (checkout / name).read_text("utf-8"), name
