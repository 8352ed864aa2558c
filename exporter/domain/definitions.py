"""Definitions: which segments, flows and outcomes interactions are counted by.

A service's own words, as data. Nothing here knows Persona; its definitions are the
package's `persona.yaml`, in the same form as a user's.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Self, TypeAlias

import msgspec

OTHER = "Other"
TOTAL = "Total"

Scalar: TypeAlias = str | int | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A condition on one interaction; every part that is set must hold.

    `requires`: all of these events; `any_of`: at least one; `excludes`: none;
    `contains`: an event whose name contains the text; `field` and `equals`: the blob's
    field has exactly this value; `flow`: the interaction belongs to the flow; `step`:
    and reached this step of it. A rule with no part holds always.
    """

    requires: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    contains: str | None = None
    field: str | None = None
    equals: Scalar | None = None
    flow: str | None = None
    step: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a flow, reached when its rule holds, in whatever order.

    An `aside` step is counted like any other, but is not on the way: no step comes before or
    after it in drop-off and completion.
    """

    name: str
    rule: Rule
    aside: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuation:
    """How a flow goes on in a second dialog: when `rule` holds, nothing else of it counts.

    It reaches `reaches` if `when` holds, else no step at all.
    """

    rule: Rule
    when: Rule
    reaches: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Steps that a user takes one after the other; an interaction with none is not of it."""

    name: str
    steps: tuple[Step, ...]
    rule: Rule = Rule()
    continuation: Continuation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Numbers from `at_least` to `at_most`, both included, have this segment."""

    segment: str
    at_least: float | None = None
    at_most: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Segmentation:
    """A way to divide interactions: each has exactly one of `segments`, or `Other`.

    The first of `in_flow` (flow, segment) that the interaction belongs to decides; else the
    first of `fields` that has a value: through `ranges` if it is a number, then `aliases`,
    then the list. With `ignore_case`, aliases and list are looked up without regard to case.
    """

    name: str
    fields: tuple[str, ...]
    segments: tuple[str, ...]
    aliases: tuple[tuple[str, str], ...] = ()
    ranges: tuple[Range, ...] = ()
    in_flow: tuple[tuple[str, str], ...] = ()
    ignore_case: bool = False

    @property
    def all_segments(self) -> tuple[str, ...]:
        """The configured segments and `Other`."""
        return self.segments if OTHER in self.segments else (*self.segments, OTHER)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepName:
    """A step of a flow, by name."""

    flow: str
    step: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """How a dialog ended: bounce, continued, fail, fallback, idp, assertion; the first that holds.

    `shown` and `engaged` are steps, so that both parts of the bounce ratio are exposed.
    `continued`: the user left on purpose, to come back in a second interaction, for which
    `continuation` holds. That one is judged by the rules from `fail` on, shown or not. None
    where sign-ins never leave the page.
    """

    shown: StepName
    engaged: StepName
    signed_in: Rule
    fallback: Rule
    idp: Rule
    continued: Rule | None = None
    continuation: Rule | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """Events of one interaction: those of these names, or whose name contains the text."""

    any_of: tuple[str, ...] = ()
    contains: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Duration:
    """How long an interaction takes from one of `start` to one of `end`, by their offsets.

    From the first of `start` to the first of `end` that is not before it; with `flow`, only of
    interactions that belong to the flow.
    """

    name: str
    start: Events
    end: Events
    flow: str | None = None


@dataclass(frozen=True, kw_only=True)
class Definitions:
    """All of a service's definitions. `sites_fields`: the first with a number that is not 0.

    `buckets` names the buckets of the histograms that these definitions are counted with.
    """

    segmentations: tuple[Segmentation, ...]
    flows: tuple[Flow, ...]
    outcomes: Outcomes
    sites_fields: tuple[str, ...]
    durations: tuple[Duration, ...] = ()
    buckets: str = ""

    @cached_property
    def digest(self) -> str:
        """Twelve hexadecimal digits that change whenever the meaning of a count may."""
        return hashlib.sha256(self._json).hexdigest()[:12]

    @cached_property
    def _json(self) -> bytes:
        return msgspec.json.encode(self, order="deterministic")

    def to_json(self) -> bytes:
        """Return the form in which a store remembers what its tallies mean."""
        return self._json

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Read what `to_json` wrote.

        Also of an earlier version, which knew fewer keys: text and digest stay what they were,
        so that the tallies counted then are found.
        """
        read = msgspec.json.decode(text, type=cls)
        read.__dict__["_json"] = text
        return read

    def segmentation(self, name: str) -> Segmentation | None:
        """Find a segmentation by its name."""
        return next((s for s in self.segmentations if s.name == name), None)
