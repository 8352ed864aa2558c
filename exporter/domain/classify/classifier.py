"""From a row to facts: the definitions, compiled once, applied to each blob.

Where this is written: `docs/reference/definitions.md`, "From a blob to facts".
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from itertools import chain
from operator import or_
from typing import NamedTuple, Self, TypeAlias

from exporter.domain.classify.compiled import (
    MAX_CACHED,
    MAX_CACHED_EVENTS,
    EventMask,
    Segments,
    SiteCounts,
    first_of,
    has_truth_values,
    text_of,
)
from exporter.domain.classify.decoder import (
    MAX_DEPTH,
    Decoder,
    TimedEvent,
    Unreadable,
    number,
    refuse_row_with_odd_id,
    shown,
    too_deep,
    usable_offset,
)
from exporter.domain.definitions import (
    Definitions,
    Events,
    Flow,
    Rule,
    Scalar,
)
from exporter.domain.histogram import (
    DURATION_BUCKETS,
    LONGEST_MS,
    QUICK_BUCKETS,
    QUICK_MS,
    duration_bucket,
)
from exporter.domain.interaction import (
    MS_PER_HOUR,
    Facts,
    Ignored,
    Interaction,
    Reason,
    Rejected,
    Row,
)
from exporter.domain.layout import DurationSlots, Layout
from exporter.domain.outcome import Outcome, outcome

_SHORTEST_TOO_DEEP = 2 * (MAX_DEPTH + 1)  # bytes
OLDEST_TIMESTAMP_MS = 946_684_800_000  # 2000-01-01

Classification: TypeAlias = Interaction | Ignored | Rejected


class _Test(NamedTuple):
    """A rule as bit masks over the events seen, with what it says of fields and flows."""

    requires: int
    any_of: int
    contains: int
    excludes: int
    rule: Rule


class _FieldTest(NamedTuple):
    """Whether a field has exactly a value; 1 and true, equal in Python, are two questions."""

    field: str
    equals: Scalar | None
    kind: type

    def answer(self, value: object) -> bool:
        return value == self.equals and isinstance(value, bool) == (self.kind is bool)


def _field_test(rule: Rule) -> _FieldTest:
    return _FieldTest(rule.field or "", rule.equals, type(rule.equals))


def _exactly(rule: Rule) -> tuple[Rule, type]:
    return rule, type(rule.equals)


class _Duration(NamedTuple):
    """A duration as bit masks over events."""

    slots: DurationSlots
    slot_of: Sequence[int]
    start: int
    end: int
    flow: str | None

    @classmethod
    def of(cls, slots: DurationSlots, *, start: int, end: int, flow: str | None) -> Self:
        """Make the slots of its buckets, once."""
        slot_of = tuple(range(slots.buckets, slots.buckets + DURATION_BUCKETS))
        return cls(slots=slots, slot_of=slot_of, start=start, end=end, flow=flow)


class _Span(NamedTuple):
    """Where a duration begins and ends: places among the events that matter to any rule.

    `start` and `end` where there is one of each, as nearly always. `slot_of`: bucket -> slot,
    each one object, which counts more quickly than equal ones.
    """

    start: int | None
    end: int | None
    slot_of: Sequence[int]
    interactions: int
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    @classmethod
    def of(cls, duration: _Duration, masks: Sequence[int]) -> Self:
        """Find the places by the bits of the events."""
        starts = tuple(n for n, bits in enumerate(masks) if bits & duration.start)
        ends = tuple(n for n, bits in enumerate(masks) if bits & duration.end)
        simple = len(starts) == 1 == len(ends)
        return cls(
            start=starts[0] if simple else None,
            end=ends[0] if simple else None,
            slot_of=duration.slot_of,
            interactions=duration.slots.interactions,
            starts=starts,
            ends=ends,
        )


class _EventPattern(NamedTuple):
    """What an interaction's events come to, whatever its segments: most are alike.

    `in_flow`: in which segmentations (by place) the flows decide on the row; `spans`: the
    durations that it has if its events have offsets; `timed_slots`: `slots` with all of these.
    """

    slots: tuple[int, ...]
    in_flow: tuple[tuple[int, int], ...]
    spans: tuple[_Span, ...]
    timed_slots: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SitesValue:
    """A value of a field for sites, quoted; `usable` unless it counts as 0 without being 0."""

    text: str
    usable: bool


class Classifier:
    """Reads rows under one set of definitions: `read` says what a row is.

    Only the fields that count are decoded; blobs of
    unexpected types take a slower way to the same answer.
    """

    def __init__(self, definitions: Definitions) -> None:
        self.definitions = definitions
        self.layout = Layout.of(definitions)
        self._events = EventMask()
        ways = definitions.outcomes
        everywhere = chain(
            (ways.signed_in, ways.fallback, ways.idp),
            filter(None, (ways.continued, ways.continuation)),
            *map(_rules_of, definitions.flows),
        )
        rules = {_exactly(rule): rule for rule in everywhere}
        self._tests = {_exactly(rule): self._compile(rule) for rule in rules.values()}
        self._asked = tuple(
            {_field_test(rule) for rule in rules.values() if rule.field is not None}
        )
        self._durations = tuple(
            _Duration.of(
                self.layout.durations[duration.name],
                start=self._matched(duration.start),
                end=self._matched(duration.end),
                flow=duration.flow,
            )
            for duration in definitions.durations
        )
        self._flows = {flow.name: flow for flow in definitions.flows}
        self._pattern = lru_cache(MAX_CACHED)(self._work_out_pattern)
        blobs = Decoder(
            values={
                *definitions.sites_fields,
                *(path for s in definitions.segmentations for path in s.fields),
            },
            fields={
                "timestamp",
                *(question.field for question in self._asked),
                *(
                    path
                    for s in definitions.segmentations
                    if has_truth_values(s)
                    for path in s.fields
                ),
            },
            timed=bool(self._durations),
        )
        self._decode = blobs.decode
        self._timestamp = blobs.getter("timestamp")
        self._sites = tuple(map(blobs.value_getter, definitions.sites_fields))
        self._site_counts = SiteCounts()
        self._answers = tuple((blobs.getter(asked.field), asked) for asked in self._asked)
        self._values = {
            segmentation.name: first_of([blobs.value_getter(path) for path in segmentation.fields])
            for segmentation in definitions.segmentations
        }
        self._segments = tuple(
            (
                Segments(segmentation, self.layout),
                self._values[segmentation.name],
            )
            for segmentation in definitions.segmentations
        )
        self._in_flow = tuple(
            (place, flow, self.layout.segments.index((segmentation.name, segment)))
            for place, segmentation in enumerate(definitions.segmentations, start=1)
            for flow, segment in reversed(segmentation.in_flow)  # so that the first one stays
        )

    def read(self, row: Row, newest_ms: int, *, stored: bool = False) -> Classification:
        """Return what a row is: an interaction with its facts, ignored, or rejected and why.

        `newest_ms` is the latest timestamp that is believed: one day ahead of the clock. What is
        `stored` was not too deep once, whatever the rule is now.
        """
        # What closes all that it opens and is shorter cannot be so deep; else it is no JSON.
        if len(row.raw) >= _SHORTEST_TOO_DEEP and not stored and too_deep(row.raw):
            detail = f"nested more than {MAX_DEPTH} levels deep"
            return Rejected(row.id, row.raw, Reason.NOT_JSON, detail)
        try:
            return self._read(row, newest_ms)
        except Unreadable as error:
            return Rejected(row.id, row.raw, error.reason, error.detail)

    def value(self, segmentation: str, raw: bytes) -> str | None:
        """Return the value of a blob that a segmentation looks at, as text; None without one.

        Raises `Unreadable`.
        """
        value = self._values[segmentation](self._decode(raw))
        return None if value is None else text_of(value)

    def sites_value(self, raw: bytes) -> SitesValue | None:
        """Return the first value of the fields for sites; None without one. Raises `Unreadable`."""
        blob = self._decode(raw)
        value = next((v for v in (get(blob) for get in self._sites) if v is not None), None)
        if value is None:
            return None
        zero = number(value) == 0
        return SitesValue(text=shown(value), usable=zero or self._site_counts[value] > 0)

    def _read(self, row: Row, newest_ms: int) -> Interaction | Ignored:
        blob = self._decode(row.raw)
        stream = blob.event_stream
        if not stream:
            refuse_row_with_odd_id(row.raw)
            return Ignored(row.id, _timestamp_ms_if_usable(self._timestamp(blob), newest_ms))
        timestamp_ms = _timestamp_ms(self._timestamp(blob), newest_ms)
        answers = tuple([asked.answer(get(blob)) for get, asked in self._answers])
        bits = self._events
        timed: Sequence[TimedEvent] = ()
        if self._durations:
            # Only what matters to a rule: of many streams few patterns remain.
            masks: list[int] = []
            timed = matter = []
            for event in stream:
                mask = bits[event.name]
                if mask:
                    masks.append(mask)
                    matter.append(event)
            find = self._pattern if len(masks) <= MAX_CACHED_EVENTS else self._work_out_pattern
            pattern = find(tuple(masks), answers)
        else:
            seen = 0
            for event in stream:
                seen |= bits[event.name]
            pattern = self._pattern((seen,), answers)
        slots, in_flow, spans, timed_slots = pattern
        rows = [0, *[segments[get(blob)] for segments, get in self._segments]]
        for place, row_ in in_flow:
            rows[place] = row_
        sites = 0
        for get in self._sites:
            sites = self._site_counts[get(blob)]
            if sites:
                break
        buckets: tuple[int, ...] = ()
        if spans:
            slots, buckets = _timed(timed_slots, spans, timed)
        facts = Facts(timestamp_ms // MS_PER_HOUR, tuple(rows), slots, sites, buckets)
        return Interaction(row.id, timestamp_ms, row.raw, facts)

    def _compile(self, rule: Rule) -> _Test:
        return _Test(
            requires=self._events.of(rule.requires),
            any_of=self._events.of(rule.any_of),
            contains=0 if rule.contains is None else self._events.containing(rule.contains),
            excludes=self._events.of(rule.excludes),
            rule=rule,
        )

    def _matched(self, events: Events) -> int:
        contained = 0 if events.contains is None else self._events.containing(events.contains)
        return self._events.of(events.any_of) | contained

    def _work_out_pattern(self, masks: tuple[int, ...], answers: tuple[bool, ...]) -> _EventPattern:
        """Find the steps reached, the outcome and the durations, by the bits of these events."""
        seen = reduce(or_, masks, 0)
        reading = _RuleEvaluation(
            seen=seen,
            fields=dict(zip(self._asked, answers, strict=True)),
            tests=self._tests,
            flows=self._flows,
        )
        steps = {name: reading.steps(name) for name in self._flows}
        ways = self.definitions.outcomes
        signed_in = reading.holds(ways.signed_in)
        ended = outcome(
            shown=ways.shown.step in steps[ways.shown.flow],
            engaged=ways.engaged.step in steps[ways.engaged.flow],
            signed_in=signed_in,
            fallback=reading.holds(ways.fallback),
            idp=reading.holds(ways.idp),
            continued=ways.continued is not None and reading.holds(ways.continued),
            continuation=ways.continuation is not None and reading.holds(ways.continuation),
        )
        slots = [self.layout.attempts]
        if ended is not None:
            slots.append(self.layout.outcomes[ended])
        if ended is Outcome.BOUNCE and signed_in:
            slots.append(self.layout.bounces_signed_in)
        for name, found in steps.items():
            slots += (slot for step, slot in self.layout.steps[name].items() if step in found)
        in_flow = tuple((place, row) for place, flow, row in self._in_flow if steps[flow])
        spans = tuple(
            _Span.of(duration, masks)
            for duration in self._durations
            if seen & duration.start
            and seen & duration.end
            and (duration.flow is None or steps[duration.flow])
        )
        timed_slots = (*slots, *(span.interactions for span in spans))
        return _EventPattern(tuple(slots), in_flow, spans, timed_slots)


def _timed(
    slots: tuple[int, ...], spans: Iterable[_Span], events: Sequence[TimedEvent]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the counters that are raised, and the buckets of the durations that these events have.

    Some may have none: events without a usable offset, or in the wrong order.
    """
    buckets: list[int] = []
    missing: list[int] = []
    for span in spans:
        start, end, slot_of, interactions, _, _ = span
        if start is not None and end is not None:
            began, ended = events[start].offset, events[end].offset
            # As nearly always; a truth value is no offset, though it is an int.
            if type(began) is int and type(ended) is int and 0 <= began <= ended <= LONGEST_MS:
                ms = ended - began
                bucket = QUICK_BUCKETS[ms] if ms < QUICK_MS else duration_bucket(ms)
                buckets.append(slot_of[bucket])
                continue
        took = _taken_ms(span, events)
        if took is None:
            missing.append(interactions)
        else:
            buckets.append(slot_of[duration_bucket(took)])
    if missing:
        slots = tuple(slot for slot in slots if slot not in missing)
    return slots, tuple(buckets)


def _taken_ms(span: _Span, events: Sequence[TimedEvent]) -> float | None:
    """Return how long a duration took; None where these events do not have it."""
    starts = _usable(span.starts, events)
    if not starts:
        return None
    start = min(starts)
    return min((ms - start for ms in _usable(span.ends, events) if ms >= start), default=None)


def _usable(places: Iterable[int], events: Sequence[TimedEvent]) -> list[float]:
    offsets = [usable_offset(events[place].offset) for place in places]
    return [ms for ms in offsets if ms >= 0]  # NaN is not


class _RuleEvaluation:
    """One interaction's events and fields, held against the rules."""

    def __init__(
        self,
        *,
        seen: int,
        fields: Mapping[_FieldTest, bool],
        tests: Mapping[tuple[Rule, type], _Test],
        flows: Mapping[str, Flow],
    ) -> None:
        self._seen = seen
        self._fields = fields
        self._tests = tests
        self._flows = flows
        self._steps: dict[str, frozenset[str]] = {}

    def holds(self, rule: Rule) -> bool:
        """Return whether every part of a rule holds."""
        test, seen = self._tests[_exactly(rule)], self._seen
        return (
            seen & test.requires == test.requires
            and not seen & test.excludes
            and (not test.any_of or bool(seen & test.any_of))
            and (not test.contains or bool(seen & test.contains))
            and (rule.field is None or self._fields[_field_test(rule)])
            and (rule.flow is None or self._belongs(rule.flow, rule.step))
        )

    def _belongs(self, flow: str, step: str | None) -> bool:
        steps = self.steps(flow)
        return bool(steps) if step is None else step in steps

    def steps(self, name: str) -> frozenset[str]:
        """Return which steps of a flow are reached."""
        if name not in self._steps:
            self._steps[name] = _steps(self._flows[name], self.holds)
        return self._steps[name]


def _steps(flow: Flow, holds: Callable[[Rule], bool]) -> frozenset[str]:
    """Return which steps of a flow an interaction reached."""
    again = flow.continuation
    if again is not None and holds(again.rule):
        return frozenset(again.reaches) if holds(again.when) else frozenset()
    if not holds(flow.rule):
        return frozenset()
    return frozenset(step.name for step in flow.steps if holds(step.rule))


def _rules_of(flow: Flow) -> Iterable[Rule]:
    yield flow.rule
    yield from (step.rule for step in flow.steps)
    if flow.continuation is not None:
        yield flow.continuation.rule
        yield flow.continuation.when


def _timestamp_ms(value: object, newest_ms: int) -> int:
    if value is None:
        raise Unreadable(Reason.NO_TIMESTAMP, "timestamp is missing")
    n = number(value)
    if n is None:
        raise Unreadable(
            Reason.TIMESTAMP_NOT_A_NUMBER,
            f"timestamp should be milliseconds since 1970, not {shown(value)}",
        )
    if OLDEST_TIMESTAMP_MS <= n <= newest_ms:
        return int(n)
    if OLDEST_TIMESTAMP_MS <= n * 1000 <= newest_ms:
        raise Unreadable(
            Reason.TIMESTAMP_IN_SECONDS,
            f"timestamp {shown(value)} looks like seconds; milliseconds are expected",
        )
    raise Unreadable(
        Reason.TIMESTAMP_OUT_OF_RANGE,
        f"timestamp {shown(value)} is not between 2000-01-01 and one day ahead of the clock",
    )


def _timestamp_ms_if_usable(value: object, newest_ms: int) -> int | None:
    try:
        return _timestamp_ms(value, newest_ms)
    except Unreadable:
        return None
