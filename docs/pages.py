"""The pages of the documentation, read for what their readers do with them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parent.parent
RUNNABLE = ("console", "sh", "bash", "shell", "yaml", "promql")
"""The languages of blocks that a reader runs, or writes into a file that a program reads."""

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>[\w-]*)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
_NOT_RUN = re.compile(r"<!-- not run: (?P<reason>[^>]+?) -->\n+\Z")
_HEADING = re.compile(r"^#{1,6} +(?P<text>.+?)$", re.MULTILINE)
_LINK = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\((?P<target>[^)\s]+)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block of a page. `not_run` is the reason why no test runs it, if it is so."""

    page: Path
    line: int
    language: str
    text: str
    not_run: str = ""

    @property
    def place(self) -> str:
        """Where it stands, for people."""
        return f"{self.page.relative_to(CHECKOUT)}:{self.line}"


def pages() -> list[Path]:
    """Return every page: those at the top of the checkout, and those of docs/."""
    return sorted([*CHECKOUT.glob("*.md"), *(CHECKOUT / "docs").rglob("*.md")])


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page."""
    text = page.read_text("utf-8")
    found = []
    for fence in _FENCE.finditer(text):
        before = text[: fence.start()]
        marked = _NOT_RUN.search(before)
        found.append(
            Block(
                page=page,
                line=before.count("\n") + 1,
                language=fence["language"],
                text=re.sub(rf"^{fence['indent']}", "", fence["text"], flags=re.MULTILINE),
                not_run=marked["reason"] if marked else "",
            )
        )
    return found


def prose(page: Path) -> str:
    """Return a page's text without fenced blocks and comments."""
    return re.sub(r"<!--.*?-->", "", _FENCE.sub("", page.read_text("utf-8")), flags=re.DOTALL)


def links(page: Path) -> Iterator[str]:
    """Return what a page links to, as written."""
    without_code = re.sub(r"`[^`\n]*`", "", prose(page))
    return (link["target"] for link in _LINK.finditer(without_code))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, made as GitHub makes them."""
    found: set[str] = set()
    for heading in _HEADING.finditer(prose(page)):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading["text"]).lower()
        name = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        again = 0
        while (anchor := f"{name}-{again}" if again else name) in found:
            again += 1
        found.add(anchor)
    return found


def not_run() -> str:
    """Write the table of what is marked as not run, with the reasons."""
    rows = [
        f"| [{block.page.relative_to(CHECKOUT)}]({block.page.relative_to(CHECKOUT)}) |"
        f" `{_first_line(block)}` | {block.not_run} |"
        for page in pages()
        for block in blocks(page)
        if block.not_run
    ]
    return "\n".join(["| page | what | why not |", "| --- | --- | --- |", *rows])


def _first_line(block: Block) -> str:
    return block.text.splitlines()[0].removeprefix("$ ").removeprefix("# ").replace("|", "\\|")
