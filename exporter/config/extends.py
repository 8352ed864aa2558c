"""`extends: persona`: definitions of the package, and what a file adds to them."""

from collections.abc import Mapping

from exporter.documents.errors import ErrorList, shown
from exporter.documents.parse import Document

KEY = "extends"
PACKAGE = "persona"
SECTIONS = ("segmentations", "flows")


def extended(
    document: Mapping[str, Document], package: Mapping[str, Document], errors: ErrorList
) -> dict[str, Document]:
    """Return the document with the package's definitions where its sections extend them.

    A segmentation of a name that the package has is added to: lists grow, mappings are merged,
    anything else is replaced. A flow replaces the package's.
    """
    result = dict(document)
    for section in SECTIONS:
        own, base = document.get(section), package[section]
        if not isinstance(own, dict) or not isinstance(base, dict):
            continue
        name = own.get(KEY)
        if name is None or isinstance(name, dict):  # a definition of that name
            continue
        own = {key: value for key, value in own.items() if key != KEY}
        result[section] = own
        if name != PACKAGE:
            errors.add((section, KEY), f"expected {PACKAGE}, found {shown(name)}")
            continue
        merge = section == "segmentations"
        result[section] = {
            **base,
            **{key: _added(base.get(key), value) if merge else value for key, value in own.items()},
        }
    return result


def _added(base: Document, own: Document) -> Document:
    if isinstance(base, dict) and isinstance(own, dict):
        return {**base, **{key: _added(base.get(key), value) for key, value in own.items()}}
    if isinstance(base, list) and isinstance(own, list):
        return [*base, *(item for item in own if item not in base)]
    return own
