"""What runbooks ask Prometheus can be asked, and where they lead exists."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from exporter.metrics.families import FAMILIES
from testing.rulebook import RUNBOOKS, recorded

PAGES = (*sorted(RUNBOOKS.glob("*.md")), RUNBOOKS.parent / "alerting.md")
SECTIONS = ("Meaning", "Likely causes", "First steps", "How to silence")
KNOWN = {family.name for family in FAMILIES} | {rule.name for rule in recorded()} | {"up"}
PROCESS = re.compile(r"(process|python)_\w+")

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def queries(page: Path) -> list[str]:
    """The expressions on a page: a line that is indented or closes goes on with the one before."""
    blocks = re.findall(r"^( *)```promql\n(.*?)^ *```", page.read_text(), re.DOTALL | re.MULTILINE)
    found: list[str] = []
    for indent, block in blocks:
        for line in block.splitlines():
            text = line.removeprefix(indent)
            if text.startswith((" ", ")")) and found:
                found[-1] += "\n" + text
            else:
                found.append(text)
    return found


@pytest.mark.parametrize("page", PAGES[:-1], ids=lambda page: page.stem)
def test_a_runbook_has_its_sections(page: Path) -> None:
    text = page.read_text()

    assert text.startswith(f"# {page.stem}\n")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == list(SECTIONS)
    assert f"alertname={page.stem}" in text


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / link).exists(), link


def test_every_query_is_valid_promql(promtool: Path, tmp_path: Path) -> None:
    asked = [query for page in PAGES for query in queries(page)]
    rules = [{"record": f"query:number:{n}", "expr": query} for n, query in enumerate(asked)]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "runbooks", "rules": rules}]}))

    done = subprocess.run(
        [promtool, "check", "rules", path],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )

    assert done.returncode == 0, done.stdout
    assert len(asked) > len(PAGES)


@each_page
def test_every_query_asks_for_what_exists(page: Path) -> None:
    for query in queries(page):
        bare = re.sub(r"\{[^}]*\}", "", query)
        names = re.findall(r"\b(?:kpi_\w+|up|\w+:\w+:\w+|process_\w+)\b", bare)
        assert names, query
        asked = {name.removesuffix("_bucket") for name in names}
        assert [name for name in asked if name not in KNOWN and not PROCESS.match(name)] == []
