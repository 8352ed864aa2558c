"""YAML file -> mappings, lists and texts. What a text means is for its form to say.

So no value changes by its look: `No` stays `No`, `3+` and `1.10` stay as written, and a date
is read only where one is expected.
"""

import re
from pathlib import Path as FilePath
from typing import TypeAlias

import yaml

from exporter.documents.errors import ErrorList, Path, kind

Document: TypeAlias = "dict[str, Document] | list[Document] | str | None"

_MOST_BYTES = 1_000_000
_NOTHING = frozenset({"", "~", "null", "Null", "NULL"})
_MOST_NODES = 100_000  # aliases expanded: what grows without end is no configuration
_DEEPEST = 32
_ENDLESS = "expected a configuration, found aliases or levels without end"
_TEXT = "tag:yaml.org,2002:str"
_STANDARD = frozenset({_TEXT, "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"})


class Plain(str):
    """A text without quotes, which may stand for a number or a truth value."""

    __slots__ = ()


class _Loader(yaml.SafeLoader):
    """Resolves no scalar to anything but a text."""

    yaml_implicit_resolvers = {}  # noqa: RUF012  # PyYAML's name for it


def read(file: FilePath, errors: ErrorList) -> str | None:
    """Read a file's text; None if it cannot be read, as `errors` then lists."""
    try:
        with file.open("rb") as opened:
            raw = opened.read(_MOST_BYTES + 1)
    except OSError as error:
        errors.add((), f"expected a file to read, found: {error.strerror}")
        return None
    except ValueError:
        errors.add((), "expected the name of a file, found one that no file can have")
        return None
    if len(raw) > _MOST_BYTES:
        errors.add((), f"expected a configuration, found more than {_MOST_BYTES} bytes")
        return None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        errors.add((), f"expected UTF-8, found a byte in line {line} that is none")
        return None


def parse(text: str, errors: ErrorList) -> dict[str, Document] | None:
    """Read a text, an empty one as no keys; None if it is no YAML, as `errors` then lists."""
    try:
        root = _compose(text)
        document = None if root is None else _YamlWalk(errors).document((), root)
    except _NoDocumentError as error:
        errors.add((), str(error))
        return None
    if isinstance(document, dict):
        return document
    if errors:
        return None
    if document is None:
        return {}
    errors.add((), f"expected keys with values, found {kind(document)}")
    return None


class _NoDocumentError(Exception):
    """The text is no YAML document, or more of one than a configuration is."""


def _compose(text: str) -> yaml.Node | None:
    try:
        return yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        raise _NoDocumentError(_syntax(error, text)) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _NoDocumentError(
            f"line {line}: expected YAML, found a character that it does not allow"
        ) from None
    except RecursionError:
        raise _NoDocumentError(_ENDLESS) from None


class _YamlWalk:
    """One pass over the nodes of a document."""

    def __init__(self, errors: ErrorList) -> None:
        self._errors = errors
        self._left = _MOST_NODES

    def document(self, path: Path, node: yaml.Node) -> Document:
        self._errors.pass_by(path, node.start_mark.line + 1)
        self._left -= 1
        if self._left < 0 or len(path) > _DEEPEST:
            raise _NoDocumentError(_ENDLESS)
        if node.tag not in _STANDARD:
            self._errors.add_unknown(path, f"expected no YAML tag, found one in {_place(node)}")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(path, node)
        if isinstance(node, yaml.SequenceNode):
            return [self.document((*path, n), item) for n, item in enumerate(node.value)]
        if not is_text(node.value):
            self._errors.add_unknown(path, f"expected a text, found none in {_place(node)}")
            return None
        if not (isinstance(node, yaml.ScalarNode) and node.style is None):
            return str(node.value)
        if node.value in _NOTHING and path:
            self._errors.add_unknown(
                path, "expected a value, found nothing (leave the key out for its default)"
            )
        return None if node.value in _NOTHING else Plain(node.value)

    def _mapping(self, path: Path, node: yaml.MappingNode) -> dict[str, Document]:
        result: dict[str, Document] = {}
        lines: dict[str, str] = {}
        for key, value in node.value:
            if not (isinstance(key, yaml.ScalarNode) and is_text(key.value)):
                self._errors.add(path, f"expected a text as key, found another in {_place(key)}")
                continue
            name = str(key.value)
            inner = (*path, name)
            if name in lines:
                self._errors.add(
                    inner, f"expected once, found in {lines[name]} and again in {_place(key)}"
                )
                continue
            lines[name] = _place(key)
            if name == "<<" and key.style is None:
                self._errors.add(inner, "expected no merge key, which is not supported")
                continue
            result[name] = self.document(inner, value)
        return result


def is_text(value: str) -> bool:
    """Return whether a text can be written: halves of characters cannot."""
    return not any("\ud800" <= character <= "\udfff" for character in value)


def _place(node: yaml.Node) -> str:
    return f"line {node.start_mark.line + 1}"


def _syntax(error: yaml.MarkedYAMLError, text: str) -> str:
    mark = error.problem_mark or error.context_mark
    found = ", ".join(filter(None, (error.context, error.problem)))
    # What stands between quotes may be a piece of a secret; one character is none.
    words = re.sub(
        r"'([^']*)'",
        lambda quoted: quoted[0] if len(quoted[1]) == 1 else "'...'",
        found.replace(r"'\t'", "tab"),
    )
    row, column = (0, 0) if mark is None else (mark.line, mark.column)
    line = "".join(text.splitlines()[row : row + 1])
    hint = " (inside { } and [ ], ${...} needs quotes)" if "${" in line else ""
    return f"line {row + 1}, column {column + 1}: expected YAML, {words}{hint}"
