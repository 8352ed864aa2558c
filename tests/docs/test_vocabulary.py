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
    r"\brecount(?:s|ed|ing)?\b(?!:…)": "rebuild",
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
VERBS = re.findall(
    r"\w+",
    """
    Accept Activate Add Advance Announce Answer Apply Bind Change Check Choose Close Compare
    Compress Compute Connect Convert Copy Correct Count Create Decide Decode Decompress Delete
    Describe Discard Draw Drop Encode Estimate Exit Expose Fetch Find Finish Group Hash Hide Ignore
    Import Insert Iterate Join Keep List Listen Log Move Open Parse Pause Print Publish Query Quote
    Raise Read Rebuild Record Refuse Remove Render Repeat Replace Report Resolve Return Rewrite Run
    Send Separate Serve Set Show Shut Sort Split Start Stop Store Train Use Wait Write Yield
    """,
)
"""What a function's docstring begins with; another verb that the field uses may be added."""

CODE = sorted(
    path for name in ("exporter", "fake_server") for path in (CHECKOUT / name).rglob("*.py")
)
TEXTS = sorted(
    path
    for name in ("deploy", "prometheus")
    for path in (CHECKOUT / name).rglob("*")
    if path.suffix in {".conf", ".ini", ".js", ".py", ".service", ".sh", ".socket", ".yaml", ".yml"}
)
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


@pytest.mark.parametrize("file", TEXTS, ids=lambda file: str(file.relative_to(CHECKOUT)))
def test_a_file_for_another_program_uses_the_terms_of_the_glossary(file: Path) -> None:
    assert come_back(file.read_text("utf-8")) == []


@pytest.mark.parametrize("module", CODE, ids=lambda module: str(module.relative_to(CHECKOUT)))
def test_a_functions_docstring_begins_with_a_verb_of_the_field(module: Path) -> None:
    begin = {
        node.name: re.findall(r"\w+|$", ast.get_docstring(node) or "Return")[0]
        for node in ast.walk(ast.parse(module.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not is_property(node)
    }

    assert {name: word for name, word in begin.items() if word not in VERBS} == {}


def is_property(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Return whether a function is read as a value, whose docstring may name it."""
    return any(
        isinstance(one, ast.Name) and one.id.endswith("property") for one in function.decorator_list
    )
