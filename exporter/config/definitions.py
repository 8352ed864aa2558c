"""Sections of the file -> definitions; what one of them names must be defined in another."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from exporter.config.schema import (
    ContinuationSection,
    DurationSection,
    EventsSection,
    File,
    FlowSection,
    OutcomesSection,
    PackageSection,
    RuleSection,
    SegmentationSection,
    SitesSection,
    StepNameSection,
)
from exporter.documents.errors import ErrorList, Path, listed, written
from exporter.domain.definitions import (
    OTHER,
    Continuation,
    Definitions,
    Duration,
    Events,
    Flow,
    Outcomes,
    Range,
    Rule,
    Segmentation,
    Step,
    StepName,
)
from exporter.domain.histogram import BUCKETS

NEVER = Rule(requires=("never",), excludes=("never",))
"""The rule of an outcome that the configuration leaves out."""

_MOST_FLOWS_IN_A_ROW = 20
_RULE_KEYS = (
    "event",
    "requires",
    "any_of",
    "excludes",
    "contains",
    "field (with equals)",
    "flow",
    "always",
)


def definitions(file: File, package: PackageSection, errors: ErrorList) -> Definitions:
    """Return the definitions of the file, and of the package for each section it leaves out.

    With `errors`, the result is invalid.
    """
    return _Definitions(file, package, errors).all()


class _Definitions:
    """One pass over the sections that make definitions."""

    def __init__(self, file: File, package: PackageSection, errors: ErrorList) -> None:
        # What is missing because it was faulty has been reported.
        self._faulty = errors.copy().touch
        self._errors = errors
        self._inherited = {
            name for name in PackageSection.model_fields if getattr(file, name) is None
        }
        self._sites = file.sites or package.sites
        self._segmentations: Mapping[str, SegmentationSection] = (
            package.segmentations if file.segmentations is None else file.segmentations
        )
        self._flows: Mapping[str, FlowSection] = package.flows if file.flows is None else file.flows
        self._outcomes = file.outcomes or package.outcomes
        # The package's speak of its own flows and events.
        own = {} if file.flows is not None else package.durations
        self._durations: Mapping[str, DurationSection] = (
            own if file.durations is None else file.durations
        )
        self._fields_read: dict[str, Path] = {"timestamp": ()}
        self._leads: dict[str, list[str]] = {}

    def all(self) -> Definitions:
        sites = self._fields(self._sites, ("sites",))
        segmentations = tuple(
            self._segmentation(name, section) for name, section in self._segmentations.items()
        )
        flows = tuple(self._flow(name, section) for name, section in self._flows.items())
        self._refuse_circles()
        outcomes = self._ways(self._outcomes)
        durations = tuple(
            self._duration(name, section) for name, section in self._durations.items()
        )
        self._refuse_fields_in_fields()
        return Definitions(
            segmentations=segmentations,
            flows=flows,
            outcomes=outcomes,
            sites_fields=sites,
            durations=durations,
            buckets=BUCKETS,
        )

    def _segmentation(self, name: str, section: SegmentationSection) -> Segmentation:
        path = ("segmentations", name)
        known = {*section.segments, OTHER}

        def segment(named: str, *inner: str | int) -> str:
            if named not in known:
                self._error((*path, *inner), f"expected a segment of {name}, found {named!r}")
            return named

        self._refuse_repeated(section.segments, (*path, "segments"))
        if section.ignore_case:
            self._refuse_ambiguous(section, path)
        for n, span in enumerate(section.ranges):
            low, high = span.at_least, span.at_most
            if low is not None and high is not None and low > high:
                self._error(
                    (*path, "ranges", n), "expected at_least to be below at_most, found it above"
                )
        for n, (before, _) in enumerate(pairwise(section.ranges)):
            if before.at_least is None and before.at_most is None:
                self._error(
                    (*path, "ranges", n),
                    "expected at_least or at_most, as later ranges are never reached without",
                )
        return Segmentation(
            name=name,
            fields=self._fields(section, path),
            segments=tuple(section.segments),
            aliases=tuple(
                (value, segment(named, "aliases", value))
                for value, named in section.aliases.items()
            ),
            ranges=tuple(
                Range(
                    segment=segment(span.segment, "ranges", n, "segment"),
                    at_least=span.at_least,
                    at_most=span.at_most,
                )
                for n, span in enumerate(section.ranges)
            ),
            in_flow=tuple(
                (self._known_flow(flow, (*path, "in_flow", flow)), segment(named, "in_flow", flow))
                for flow, named in section.in_flow.items()
            ),
            ignore_case=bool(section.ignore_case),
        )

    def _refuse_ambiguous(self, section: SegmentationSection, path: Path) -> None:
        segments: dict[str, str] = {}
        for value, named in section.aliases.items():
            if segments.setdefault(value.casefold(), named) != named:
                self._error(
                    (*path, "aliases", value),
                    f"expected one segment with ignore_case, found {named!r} here and"
                    f" {segments[value.casefold()]!r} for another case",
                )

    def _fields(self, section: SitesSection | SegmentationSection, path: Path) -> tuple[str, ...]:
        if (section.field is None) == (section.fields is None):
            found = "none" if section.field is None else "both"
            self._error(path, f"expected field or fields, found {found}")
        if section.field is not None:
            self._read((*path, "field"), section.field)
            return (section.field,)
        names = section.fields or ()
        for n, name in enumerate(names):
            self._read((*path, "fields", n), name)
        self._refuse_repeated(names, (*path, "fields"))
        return tuple(names)

    def _flow(self, name: str, section: FlowSection) -> Flow:
        path = ("flows", name)
        names = [step.name for step in section.steps]
        self._refuse_repeated(names, (*path, "steps"), "name")
        if section.steps[0].aside:
            self._error((*path, "steps", 0, "aside"), "expected a first step on the way")
        again = section.continuation
        if again is not None:
            for n, step in enumerate(again.reaches):
                if step not in names:
                    self._error(
                        (*path, "continuation", "reaches", n),
                        f"expected a step of {name}, found {step!r}",
                    )
        return Flow(
            name=name,
            rule=self._rule(section, path, "a flow", optional=True),
            steps=tuple(
                Step(
                    name=step.name,
                    rule=self._rule(step, (*path, "steps", n), "a step"),
                    aside=bool(step.aside),
                )
                for n, step in enumerate(section.steps)
            ),
            continuation=None
            if again is None
            else self._continuation(again, (*path, "continuation")),
        )

    def _continuation(self, section: ContinuationSection, path: Path) -> Continuation:
        return Continuation(
            rule=self._rule(section, path, "a continuation"),
            when=self._rule(section.when, (*path, "when"), "when"),
            reaches=tuple(section.reaches),
        )

    def _rule(
        self, section: RuleSection, path: Path, whose: str, *, optional: bool = False
    ) -> Rule:
        given = [key for key in RuleSection.model_fields if getattr(section, key) is not None]
        if not given and not optional:
            self._error(path, f"{whose} needs a rule: one of {listed(_RULE_KEYS)}")
        if section.always and len(given) > 1:
            others = listed([key for key in given if key != "always"], "and")
            self._error(path, f"expected always alone, found it with {others}")
        for one, other in (("field", "equals"), ("equals", "field"), ("step", "flow")):
            if one in given and other not in given:
                self._error(path, f"expected {one} together with {other}, found it alone")
        if section.field is not None:
            self._read((*path, "field"), section.field)
        if section.flow is not None:
            self._known_flow(section.flow, (*path, "flow"))
            if path[0] == "flows":
                self._leads.setdefault(str(path[1]), []).append(section.flow)
            if section.step is not None:
                self._known_step(section.flow, section.step, (*path, "step"))
        return Rule(
            requires=(*filter(None, [section.event]), *(section.requires or ())),
            any_of=tuple(section.any_of or ()),
            excludes=tuple(section.excludes or ()),
            contains=section.contains,
            field=section.field,
            equals=section.equals,
            flow=section.flow,
            step=section.step,
        )

    def _ways(self, section: OutcomesSection) -> Outcomes:
        path = ("outcomes",)

        def step(named: StepNameSection, key: str) -> StepName:
            self._known_flow(named.flow, (*path, key, "flow"))
            self._known_step(named.flow, named.step, (*path, key, "step"))
            return StepName(flow=named.flow, step=named.step)

        def rule(of: RuleSection | None, key: str) -> Rule:
            return NEVER if of is None else self._rule(of, (*path, key), key)

        def optional(of: RuleSection | None, key: str) -> Rule | None:
            return None if of is None else self._rule(of, (*path, key), key)

        for one, other in (("continued", "continuation"), ("continuation", "continued")):
            if getattr(section, one) is not None and getattr(section, other) is None:
                self._error(path, f"expected {one} together with {other}, found it alone")
        return Outcomes(
            shown=step(section.shown, "shown"),
            engaged=step(section.engaged, "engaged"),
            signed_in=rule(section.signed_in, "signed_in"),
            fallback=rule(section.fallback, "fallback"),
            idp=rule(section.idp, "idp"),
            continued=optional(section.continued, "continued"),
            continuation=optional(section.continuation, "continuation"),
        )

    def _duration(self, name: str, section: DurationSection) -> Duration:
        path = ("durations", name)
        flow = section.flow
        return Duration(
            name=name,
            start=self._events(section.from_, (*path, "from")),
            end=self._events(section.to, (*path, "to")),
            flow=None if flow is None else self._known_flow(flow, (*path, "flow")),
        )

    def _events(self, section: EventsSection, path: Path) -> Events:
        given = [key for key in EventsSection.model_fields if getattr(section, key) is not None]
        if len(given) != 1:
            known = listed(list(EventsSection.model_fields))
            found = listed(given, "and") if given else "none"
            self._error(path, f"expected one of {known}, found {found}")
        return Events(
            any_of=(*filter(None, [section.event]), *(section.any_of or ())),
            contains=section.contains,
        )

    def _known_flow(self, name: str, path: Path) -> str:
        if name not in self._flows and not self._faulty("flows", name):
            known = f", one of {listed(list(self._flows))}" if self._flows else ""
            self._error(path, f"expected a flow{known}, found {name!r}")
        return name

    def _known_step(self, flow: str, step: str, path: Path) -> None:
        if flow not in self._flows or self._faulty("flows", flow):
            return
        names = [known.name for known in self._flows[flow].steps]
        if step not in names:
            quoted = listed([repr(name) for name in names])
            self._error(path, f"expected a step of {flow}, one of {quoted}, found {step!r}")

    def _refuse_repeated(self, names: Sequence[str], path: Path, *key: str) -> None:
        first: dict[str, int] = {}
        for n, name in enumerate(names):
            if first.setdefault(name, n) != n:
                place = written((path[-1], first[name]))
                self._error((*path, n, *key), f"expected once, found {name!r} in {place} too")

    def _refuse_circles(self) -> None:
        done: set[str] = set()
        for start in self._leads:
            self._follow(start, [], done)

    def _follow(self, flow: str, way: list[str], done: set[str]) -> None:
        if flow in way:
            circle = " -> ".join((*way[way.index(flow) :], flow))
            self._error(("flows", flow), f"expected rules that end, found a circle: {circle}")
        elif len(way) == _MOST_FLOWS_IN_A_ROW:
            self._error(
                ("flows", way[0]),
                f"expected at most {_MOST_FLOWS_IN_A_ROW} flows that lead on to each other",
            )
        elif flow not in done:
            for following in self._leads.get(flow, ()):
                self._follow(following, [*way, flow], done)
            done.add(flow)

    def _read(self, path: Path, field: str) -> None:
        """Record that a field of the blob is read as a value."""
        if field.split(".", maxsplit=1)[0] == "event_stream":
            self._error(path, "expected another field: event_stream is what the rules read")
        self._fields_read.setdefault(field, path)

    def _refuse_fields_in_fields(self) -> None:
        for field, path in self._fields_read.items():
            for outer in _outer(field):
                if outer in self._fields_read:
                    self._error(
                        path,
                        f"expected {outer} to be an object, found it read as a value"
                        f" in {written(self._fields_read[outer]) or 'every blob'}",
                    )

    def _error(self, path: Path, text: str) -> None:
        section = str(path[0])
        if section not in self._inherited:
            self._errors.add(path, text)
        elif not self._errors.touch(section):
            own = listed(sorted(PackageSection.model_fields.keys() - self._inherited), "and")
            self._errors.add(
                (section,),
                f"expected to be given too, as {own} are: the package's own do not fit"
                f" ({written(path)}: {text})",
            )


def _outer(field: str) -> Iterator[str]:
    parts = field.split(".")
    for n in range(1, len(parts)):
        yield ".".join(parts[:n])
