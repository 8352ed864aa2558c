"""Titles: what people call flows, their steps, segmentations and durations."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

SITES = "Sites signed in"
"""What the titles of the KPIs on the number of sites begin with."""

_JOINED = re.compile(r"[_\s]+|(?<=[a-z])(?=[A-Z][a-z])")
_NUMBERED = re.compile(r"[0-9]+ - (?=\S)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Titles:
    """What people call flows, segmentations and durations, by name, where that is configured.

    Apart from the definitions: another title changes no count. `steps` are by flow and step;
    `sites` is what the number of sites is of, if of something else.
    """

    flows: Mapping[str, str] = field(default_factory=dict)
    steps: Mapping[tuple[str, str], str] = field(default_factory=dict)
    segmentations: Mapping[str, str] = field(default_factory=dict)
    durations: Mapping[str, str] = field(default_factory=dict)
    sites: str | None = None

    def kpi(self, title: str) -> str:
        """Return the title of a KPI, of which one on sites may have another."""
        return f"{self.sites}{title.removeprefix(SITES)}" if self._has_own(title) else title

    def meaning(self, title: str, explanation: str) -> str:
        """Return what a KPI of that title means; of something else than sites, less is known."""
        return "Of the number that interactions carry." if self._has_own(title) else explanation

    def _has_own(self, title: str) -> bool:
        return self.sites is not None and title.startswith(SITES)

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
