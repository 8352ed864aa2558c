"""Titles: what people call flows, their steps, segmentations and durations."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_JOINED = re.compile(r"[_\s]+|(?<=[a-z])(?=[A-Z][a-z])")
_NUMBERED = re.compile(r"[0-9]+ - (?=\S)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Titles:
    """What people call flows, segmentations and durations, by name, where that is configured.

    Apart from the definitions: another title changes no count. `steps` are by flow and step.
    """

    flows: Mapping[str, str] = field(default_factory=dict)
    steps: Mapping[tuple[str, str], str] = field(default_factory=dict)
    segmentations: Mapping[str, str] = field(default_factory=dict)
    durations: Mapping[str, str] = field(default_factory=dict)

    def flow(self, name: str) -> str:
        """Return a flow's title, else its name made readable."""
        return self.flows.get(name) or readable(name)

    def step(self, flow: str, name: str) -> str:
        """Return a step's title, else its name without a number before it."""
        return self.steps.get((flow, name)) or _NUMBERED.sub("", name, count=1)

    def segmentation(self, name: str) -> str:
        """Return a segmentation's title, else its name made readable."""
        return self.segmentations.get(name) or readable(name)

    def duration(self, name: str) -> str:
        """Return a duration's title, else its name made readable."""
        return self.durations.get(name) or readable(name)


def readable(name: str) -> str:
    """Return `new_user` as "New user", `EmailType` as "Email type"; capitals stay as they are."""
    first, *others = [word for word in _JOINED.split(name) if word] or [name]
    return " ".join(
        (first[:1].upper() + first[1:], *(w if w.isupper() else w.lower() for w in others))
    )
