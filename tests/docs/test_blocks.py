"""Every command and configuration of the documentation does what the page says."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from docs.pages import CHECKOUT, RUNNABLE, Block, blocks, pages
from exporter.config import load
from tests.docs.sessions import Session, matches, steps, written_to

# Pages whose blocks have a test of their own, beside what they are about.
ELSEWHERE = {
    "docs/how-to/docker.md": "tests/deploy/test_guides.py",
    "docs/how-to/kubernetes.md": "tests/deploy/test_guides.py",
    "docs/how-to/systemd.md": "tests/deploy/test_guides.py",
    "docs/how-to/tls.md": "tests/web/test_tls_guide.py",
    "docs/reference/configuration.md": "tests/config/test_docs.py",
    "docs/tutorials/your-own-service.md": "tests/config/test_docs.py",
}
RUNBOOKS = CHECKOUT / "docs/runbooks"  # test_runbook_commands.py, tests/prometheus


def name(page: Path) -> str:
    return str(page.relative_to(CHECKOUT))


HERE = [page for page in pages() if name(page) not in ELSEWHERE and page.parent != RUNBOOKS]


def run_here(page: Path) -> list[Block]:
    return [b for b in blocks(page) if b.language in RUNNABLE and not b.not_run]


SESSIONS = [page for page in HERE if any(b.language == "console" for b in run_here(page))]
WRITTEN = [block for page in HERE for block in run_here(page) if block.language == "yaml"]
QUERIES = [block for page in HERE for block in run_here(page) if block.language == "promql"]


@pytest.mark.parametrize("page", SESSIONS, ids=name)
def test_a_readers_session_goes_as_the_page_says(page: Path, tmp_path: Path) -> None:
    followed = run_here(page)
    asked = any("curl" in block.text for block in followed)
    with Session(tmp_path, demonstrated=asked) as session:
        for block in followed:
            session.follow(block)


@pytest.mark.parametrize("block", WRITTEN, ids=lambda block: block.place)
def test_a_configuration_is_accepted_by_its_reader(
    block: Block, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    file = tmp_path / (written_to(block) or "kpi-exporter.yml")
    file.write_text(block.text, encoding="utf-8")
    if file.name.startswith("prometheus"):
        promtool = request.getfixturevalue("promtool")
        checked = subprocess.run(
            [promtool, "check", "config", file], capture_output=True, text=True, check=False
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr
    else:
        load(file, dict.fromkeys(re.findall(r"\$\{(\w+)", block.text), "set"))


def test_queries_are_ones_that_prometheus_understands(promtool: Path, tmp_path: Path) -> None:
    rules = [{"record": f"q{n}", "expr": query.text} for n, query in enumerate(QUERIES)]
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps({"groups": [{"name": "docs", "rules": rules}]}))
    checked = subprocess.run(
        [promtool, "check", "rules", file], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("page", HERE, ids=name)
def test_what_can_be_run_is_run_or_says_why_not(page: Path) -> None:
    shells = [b.place for b in run_here(page) if b.language in {"sh", "bash", "shell"}]
    assert not shells, "write ```console with `$ `, or `<!-- not run: why -->` above"


@pytest.mark.parametrize(("page", "test"), ELSEWHERE.items())
def test_a_page_that_is_tested_elsewhere_is(page: str, test: str) -> None:
    assert (CHECKOUT / page).name in (CHECKOUT / test).read_text("utf-8")


def test_a_session_is_taken_apart_into_commands_and_what_they_print() -> None:
    one, two = steps("$ echo a \\\n>   b\na b\n$ true\n")
    assert (one.command, one.output) == ("echo a \\\n  b", "a b")
    assert (two.command, two.output) == ("true", "")


@pytest.mark.parametrize(
    ("expected", "printed", "whether"),
    [
        ("a\n...\nz", "a\nb\nc\nz\n", True),
        ("a\n...", "a\n", True),
        ("n 0.2...", "n 0.25", True),
        ("n 0.2...", "n 0.35", False),
        ("a", "a\nb", False),
    ],
)
def test_dots_stand_for_whatever(expected: str, printed: str, whether: bool) -> None:  # noqa: FBT001
    assert matches(expected, printed) is whether
