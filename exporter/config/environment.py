"""`${NAME}` and `${NAME:-default}` in values of a document."""

import re
from collections.abc import Mapping

from exporter.documents.errors import ErrorList, Path
from exporter.documents.parse import Document, Plain, is_text

_REFERENCE = re.compile(
    r"\$\$\{"  # an escaped ${
    r"|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<fall_back>:-(?P<default>[^}]*))?\}"
    r"|\$\{"  # anything else that begins like a reference
)


def expand(
    document: Document, environ: Mapping[str, str], errors: ErrorList, path: Path
) -> Document:
    """Replace references to the environment by its values; keys stay as they are."""
    if isinstance(document, dict):
        return {
            key: expand(value, environ, errors, (*path, key)) for key, value in document.items()
        }
    if isinstance(document, list):
        return [expand(value, environ, errors, (*path, n)) for n, value in enumerate(document)]
    if document is None or "${" not in document:
        return document

    def value(reference: re.Match[str]) -> str:
        name, default = reference["name"], reference["default"]
        if reference[0] == "$${":
            return "${"
        if name is None:
            errors.add_unknown(
                path, "expected ${NAME} or ${NAME:-default}, found ${ alone ($${ is a plain ${)"
            )
            return ""
        found = environ.get(name)
        if reference["fall_back"]:
            return found or default
        if found is None:
            errors.add_unknown(
                path,
                f"expected the environment variable {name}, found it not set"
                f" (${{{name}:-default}} gives a default)",
            )
            return ""
        return found

    text = _REFERENCE.sub(value, document)
    if not is_text(text):
        errors.add_unknown(path, "expected UTF-8 in the environment, found bytes that are none")
        return None
    return Plain(text) if isinstance(document, Plain) else text
