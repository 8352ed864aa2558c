"""British spelling, and text that speaks of the project alone."""

import re
from pathlib import Path

import pytest

from docs.pages import CHECKOUT, pages, prose

AMERICAN = re.compile(
    r"\b(colors?|colored|behaviors?|favors?|favorites?|neighbors?|labors?|honors?"
    r"|centers?|centered|meters?|fibers?|defense|offense|dialing|modeled|modeling|labeled|labeling"
    r"|canceled|canceling|traveled|fulfill|skillful|gray|catalogs?|percent|toward"
    r"|(?:initial|normal|organ|recogn|optim|minim|maxim|summar|synchron|serial|util|emphas"
    r"|general|visual|special|standard|custom|central|random)iz(?:e|es|ed|ing|ation)"
    r"|analyz(?:e|es|ed|ing))\b",
    re.IGNORECASE,
)
ELSEWHERE = re.compile(r"(?<![\w.])/(?:work|root)/|\bTODO\b|\bFIXME\b")


def words(page: Path) -> str:
    """What people read: without code and addresses."""
    return re.sub(r"`[^`]*`|<[^>]*>|\]\([^)]*\)", "", prose(page))


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_a_page_is_spelt_as_in_britain(page: Path) -> None:
    assert AMERICAN.findall(words(page)) == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_a_page_names_no_place_of_a_writers_machine(page: Path) -> None:
    assert ELSEWHERE.findall(page.read_text("utf-8")) == []
