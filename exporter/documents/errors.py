"""Errors of a file: collected, each with its path and line, no secret in any of them."""

import re
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path as FilePath
from typing import TypeAlias

Path: TypeAlias = tuple[str | int, ...]
"""Keys and positions from the top of the document."""

_PLAIN_KEY = re.compile(r"[\w-]+")
_SHOWN = 60  # characters of a wrong value that a message quotes


class DocumentError(Exception):
    """A file cannot be used; nothing of it was applied.

    `errors` holds all that is wrong with it, each as `path: what was expected, what was
    found`, without secrets; `file` is where it came from, if from a file, `lines` where in it.
    """

    def __init__(
        self,
        errors: tuple[str, ...],
        file: FilePath | None = None,
        lines: tuple[int | None, ...] = (),
    ) -> None:
        super().__init__(errors, file, lines)
        self.errors = errors
        self.file = file
        self.lines = lines

    def __str__(self) -> str:
        if self.file is None:
            return "\n".join(self.errors)
        places = zip_longest(self.errors, self.lines)
        return "\n".join(
            f"{self.file}{'' if line is None else f':{line}'}: {error}" for error, line in places
        )


class ErrorList:
    """What is wrong, in the order of the document."""

    def __init__(self) -> None:
        self._lines: dict[Path, int] = {}  # in the order of the document
        self._found: dict[tuple[Path, str], None] = {}
        self._unknown: set[Path] = set()

    def add(self, path: Path, text: str) -> None:
        """Report an error; what follows from a value that could not be had is none."""
        if path not in self._unknown:
            self._found[path, text] = None

    def add_unknown(self, path: Path, text: str) -> None:
        """Report that a value could not be had, so that nothing else can be said of it."""
        self.add(path, text)
        self._unknown.add(path)

    def pass_by(self, path: Path, line: int) -> None:
        """Record the line of what comes next in the document, the first being 1."""
        self._lines.setdefault(path, line)

    def copy(self) -> "ErrorList":
        """Return what is known by now."""
        other = ErrorList()
        other._found |= self._found
        other._unknown |= self._unknown
        return other

    def __bool__(self) -> bool:
        return bool(self._found)

    def touch(self, *path: str | int) -> bool:
        """Return whether an error lies at the path, above it or below it."""
        return any(found[: len(path)] == path[: len(found)] for found, _ in self._found)

    def texts(self) -> tuple[str, ...]:
        """Write each as `path: text`."""
        return tuple(f"{written(path)}: {text}" if path else text for path, text in self._sorted())

    def lines(self) -> tuple[int | None, ...]:
        """Return the line of each of `texts`, or of what it would stand in; None without a path."""
        return tuple(
            self._lines.get(self._known(path)) if path else None for path, _ in self._sorted()
        )

    def _sorted(self) -> list[tuple[Path, str]]:
        order = {path: number for number, path in enumerate(self._lines)}
        return sorted(self._found, key=lambda found: order.get(self._known(found[0]), 0))

    def _known(self, path: Path) -> Path:
        while path and path not in self._lines:
            path = path[:-1]
        return path


def written(path: Path) -> str:
    """Write a path as people would: `flows.new_user.steps[2]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN_KEY.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f"[{_cut(part)!r}]"
    return text


def kind(value: object) -> str:
    """Return what a value is, without it."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "keys with values"
    return "a list" if isinstance(value, list) else "a text"


def shown(value: object) -> str:
    """Quote a text in a message, short and without a password in it; name other kinds."""
    if not isinstance(value, str):
        return kind(value)
    return repr(_cut(masked(str(value))))


def masked(text: str) -> str:
    """Hide the user and password of an address, well-formed or not."""
    return re.sub(r"^([A-Za-z][\w+.-]*://)?.*@", r"\1***@", text, flags=re.DOTALL)


def listed(words: Sequence[str], last: str = "or") -> str:
    """Join words as a sentence does."""
    return f" {last} ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
