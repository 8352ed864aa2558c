"""What people call the parts of a configuration: their titles, or their names made readable."""

import re
from collections.abc import Mapping

from exporter.domain.definitions import Definitions, Flow, Segmentation

_JOINED = re.compile(r"[_\s]+|(?<=[a-z])(?=[A-Z][a-z])")


def title(of: Flow | Segmentation) -> str:
    """Return the configured title, or the name made readable."""
    return getattr(of, "title", "") or readable(of.name)


def readable(name: str) -> str:
    """Return `new_user` as "New user", `EmailType` as "Email type"; capitals stay as they are."""
    first, *others = [word for word in _JOINED.split(name) if word] or [name]
    return " ".join(
        (first[:1].upper() + first[1:], *(w if w.isupper() else w.lower() for w in others))
    )


def flow_titles(definitions: Definitions) -> Mapping[str, str]:
    """Return the flows' titles by name."""
    return {flow.name: title(flow) for flow in definitions.flows}


def segmentation_titles(definitions: Definitions) -> Mapping[str, str]:
    """Return the segmentations' titles by name."""
    return {one.name: title(one) for one in definitions.segmentations}
