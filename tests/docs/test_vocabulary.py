"""Words that do not come back: each has a term of the field, which the glossary gives."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.pages import CHECKOUT, pages, prose

INSTEAD = {
    r"\bproblems?\b": "error",
    r"\bin force\b": "active",
    r"\brecount(?:s|ed|ing)?\b": "rebuild",
    r"\bcounted anew\b": "recomputed, or tallies are rebuilt",
    r"\b(?:set|kept) aside\b": "quarantined",
    r"\blet go of\b": "close, or drop",
    r"\bbeforehand\b": "in advance",
    r"\bby halves\b": "partially",
    r"\bnought\b": "zero",
    r"\bfor want of\b": "without",
    r"\bof no use\b": "invalid",
    r"\bput right\b": "correct",
    r"\bmend(?:s|ed|ing)?\b": "fix",
    r"\bwhoever\b": "the caller, another process",
    r"\bstretch(?:es)?\b": "range",
    r"\bthe (?:rooms|floors|brothers)\b": "packages, layers, siblings",
}
GLOSSARY = re.compile(r"<!-- glossary -->(.*?)<!-- end of glossary -->", re.DOTALL)
VERBS = re.compile(r"(?:Give|Say|Tell|Let|Have|See|Go on)\b")
CODE = sorted((CHECKOUT / "exporter").rglob("*.py"))
PAGES = [page for page in pages() if page.name != "CHANGELOG.md"]


def come_back(text: str) -> list[str]:
    """The words of a text that should not be there, each with the term for it."""
    return [
        f"{found[0]}: write {term}"
        for words, term in INSTEAD.items()
        for found in re.finditer(words, text, re.IGNORECASE)
    ]


def written_in(path: Path) -> Iterator[str]:
    """What a module tells people: comments, docstrings, and messages of several words."""
    source = path.read_text("utf-8")
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.value


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_a_page_uses_the_terms_of_the_glossary(page: Path) -> None:
    text = prose(page)
    for entry in GLOSSARY.findall(page.read_text("utf-8")):
        text = text.replace(entry, "")
    assert come_back(text) == []


@pytest.mark.parametrize("module", CODE, ids=lambda module: str(module.relative_to(CHECKOUT)))
def test_a_module_uses_the_terms_of_the_glossary(module: Path) -> None:
    assert [word for text in written_in(module) for word in come_back(text)] == []


@pytest.mark.parametrize("module", CODE, ids=lambda module: str(module.relative_to(CHECKOUT)))
def test_a_docstring_says_what_a_function_does(module: Path) -> None:
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert not VERBS.match(ast.get_docstring(node) or ""), node.name
