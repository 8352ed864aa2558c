"""Links lead somewhere: to a file that is there, and to a heading that it has."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from docs.pages import CHECKOUT, anchors, links, pages

FOLDERS = (
    "benchmarks|deploy|exporter|fake_server|grafana|prometheus|scripts|simulations|testing|tests"
)
NAMED = re.compile(rf"`((?:{FOLDERS})/[\w/.-]+)`")
NAMES = [str(page.relative_to(CHECKOUT)) for page in pages()]


def errors(page: Path) -> list[str]:
    found = []
    for link in links(page):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.is_relative_to(CHECKOUT) or not target.exists():
            found.append(f"{link}: no such file")
        elif anchor and anchor not in anchors(target):
            found.append(f"{link}: no such heading")
    return found


@pytest.mark.parametrize("name", NAMES)
def test_links_of_a_page_lead_somewhere(name: str) -> None:
    assert errors(CHECKOUT / name) == []


@pytest.mark.parametrize("name", NAMES)
def test_files_of_the_checkout_that_a_page_names_are_there(name: str) -> None:
    named = set(NAMED.findall((CHECKOUT / name).read_text("utf-8")))

    assert [path for path in sorted(named) if not (CHECKOUT / path).exists()] == []


def test_a_module_that_contributors_are_sent_to_is_there() -> None:
    named = re.findall(r"`([\w/]+\.py)`", (CHECKOUT / "CONTRIBUTING.md").read_text("utf-8"))
    folders = [CHECKOUT / name for name in ("exporter", *FOLDERS.split("|"))]

    assert named
    for path in named:
        assert (CHECKOUT / path).exists() or any(
            found for folder in folders for found in folder.rglob(path)
        ), path


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached = {CHECKOUT / "README.md"}
    queue = list(reached)
    while queue:
        page = queue.pop()
        for link in links(page):
            target = (page.parent / unquote(link).partition("#")[0]).resolve()
            if target.suffix == ".md" and target.exists() and target not in reached:
                reached.add(target)
                queue.append(target)
    assert [name for name in NAMES if CHECKOUT / name not in reached] == []
