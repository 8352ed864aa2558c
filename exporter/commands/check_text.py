"""A configuration in words: what `kpi-exporter check` prints."""

import re
from collections.abc import Iterator, Sequence
from textwrap import wrap

from exporter.config.definitions import NEVER
from exporter.config.scalars import in_words
from exporter.config.schema import CollectSection
from exporter.config.values import Configuration, DataServer, StoreSettings
from exporter.documents.errors import listed
from exporter.domain.definitions import (
    Definitions,
    Duration,
    Events,
    Flow,
    Outcomes,
    Rule,
    Segmentation,
)
from exporter.domain.windows import Window

_WIDTH = 100
_COLUMN = 14  # where the values begin

# The windows that prometheus/rules watch, and those that are what a segment is normally like.
_WATCHED = re.compile("1d|[0-9]+h")
_MONTH = re.compile("(2[1-9]|[3-9][0-9]|[1-9][0-9][0-9]+)d")


def describe(configuration: Configuration) -> str:
    """Return what a configuration means, without its secrets, in lines that fit a page."""
    definitions = configuration.definitions
    lines = [
        *_entry("source", _source(configuration.data_server)),
        *_entry("store", _store(configuration.store)),
        *_import(configuration),
        *_collect(configuration.collect),
        *_entry("retention", in_words(configuration.retention)),
        *_entry("windows", ", ".join(_window(window) for window in configuration.windows)),
        *_entry("web", configuration.listen),
        *_entry(
            "series",
            f"{sum(configuration.series.values())} of at most {configuration.series_limit}",
        ),
        *_entry("definitions", definitions.digest),
        *_definitions(definitions),
        *_headed(
            "milestones",
            [
                line
                for milestone in sorted(configuration.milestones, key=lambda one: one.date)
                for line in _entry(
                    milestone.date.isoformat(),
                    f"{milestone.name} (quiet)" if milestone.quiet else milestone.name,
                    indent=2,
                )
            ],
        ),
        *_headed("warnings", [line for text in _blind(configuration) for line in _item(text)]),
    ]
    return "\n".join(lines)


def _window(window: Window) -> str:
    return window.name if window.by_segment else f"{window.name} (in total only)"


def _blind(configuration: Configuration) -> Iterator[str]:
    """Return which alerts of the project have nothing to compare."""
    names = {window.name for window in configuration.windows}
    by_segment = {window.name for window in configuration.windows if window.by_segment}
    if "1h" not in names:
        yield "without the window 1h the alert KpiSignInsFailing is silent"
    if not any(_WATCHED.fullmatch(name) for name in names - {"1h"}):
        yield (
            "without a window of hours or 1d the alerts that compare with past weeks are silent;"
            " 6h and 1d are what they are made for"
        )
    if not any(_WATCHED.fullmatch(name) for name in by_segment):
        yield "no window of hours, nor 1d, is among segment_windows: alerts on segments are silent"
    elif not any(_MONTH.fullmatch(name) for name in by_segment):
        yield (
            "without 30d among segment_windows the alerts KpiSegmentBounceRateHigh and"
            " KpiSegmentAbandonmentHigh compare with the past weeks only"
        )


def _source(server: DataServer | None) -> str:
    if server is None:
        return "none: nothing is imported, interactions are collected"
    sent = f", with {listed(list(server.headers), 'and')}" if server.headers else ""
    return f"{server.url}, each request at most {in_words(server.timeout)}{sent}"


def _import(configuration: Configuration) -> Iterator[str]:
    if configuration.data_server is not None:
        yield from _entry(
            "import",
            f"every {in_words(configuration.import_.every)},"
            f" at first from {in_words(configuration.import_.history)} back",
        )


def _collect(settings: CollectSection | None) -> Iterator[str]:
    if settings is None:
        return
    pages = listed(settings.allow_origins, "and") or "its own origin alone"
    yield from _entry(
        "collect",
        f"on {settings.listen}{settings.path}, up to {settings.max_rate} interactions a second,"
        f" {settings.max_body} bytes at once; pages of {pages} may read the answer",
    )
    if settings.web_config_file is not None:
        yield from _entry("", f"TLS and passwords from {settings.web_config_file}")


def _store(store: StoreSettings) -> str:
    parts = [store.url]
    if store.username is not None:
        parts.append(f"as {store.username}")
    if store.password is not None:
        parts.append(f"password {store.password}")
    if store.ca_file is not None:
        parts.append(f"certificates from {store.ca_file}")
    return ", ".join(parts)


def _definitions(definitions: Definitions) -> Iterator[str]:
    yield from _headed("flows", [line for flow in definitions.flows for line in _flow(flow)])
    yield from _headed("outcomes", list(_outcomes(definitions.outcomes)))
    yield from _headed(
        "segmentations",
        [line for one in definitions.segmentations for line in _segmentation(one)],
    )
    yield from _headed(
        "durations", [line for one in definitions.durations for line in _duration(one)]
    )
    yield from _headed("sites", [f"  {', else '.join(definitions.sites_fields)}"])


def _flow(flow: Flow) -> Iterator[str]:
    yield f"  {flow.name}: {_rule(flow.rule)}"
    again = flow.continuation
    if again is not None:
        yield from _wrapped(
            f"or continued: {_rule(again.rule)}; if {_rule(again.when)},"
            f" it reaches {listed([repr(step) for step in again.reaches], 'and')}",
            indent=4,
        )
    widest = max(len(step.name) for step in flow.steps)
    for step in flow.steps:
        text = f"{_rule(step.rule)}{' (aside)' if step.aside else ''}"
        yield from _entry(step.name, text, indent=4, column=widest + 6)


def _outcomes(outcomes: Outcomes) -> Iterator[str]:
    shown, engaged = outcomes.shown, outcomes.engaged
    yield from _entry("shown", f"{shown.step!r} of {shown.flow}", indent=2)
    yield from _entry("bounce", f"unless {engaged.step!r} of {engaged.flow}", indent=2)
    if outcomes.continued is not None and outcomes.continuation is not None:
        yield from _entry("continued", f"else, {_rule(outcomes.continued)}", indent=2)
        again = f"shown or not: {_rule(outcomes.continuation)}; judged from here on"
        yield from _entry("comes back", again, indent=2)
    yield from _entry("fail", f"else, unless {_rule(outcomes.signed_in)}", indent=2)
    yield from _entry("fallback", f"else, {_rule(outcomes.fallback)}", indent=2)
    yield from _entry("idp", f"else, {_rule(outcomes.idp)}", indent=2)
    yield from _entry("assertion", "else", indent=2)


def _duration(duration: Duration) -> Iterator[str]:
    flow = "" if duration.flow is None else f", in {duration.flow}"
    yield from _wrapped(
        f"{duration.name}: from {_events(duration.start)} to {_events(duration.end)}{flow}",
        indent=2,
    )


def _events(events: Events) -> str:
    if events.contains is not None:
        return f"an event with {events.contains!r} in its name"
    return events.any_of[0] if len(events.any_of) == 1 else f"any of {listed(events.any_of)}"


def _segmentation(segmentation: Segmentation) -> Iterator[str]:
    decided = [f"{segment} in {flow}" for flow, segment in segmentation.in_flow]
    decided.append(" or ".join(segmentation.fields))
    case = ", whatever the case" if segmentation.ignore_case else ""
    yield f"  {segmentation.name}: {', else '.join(decided)}{case}"
    yield from _wrapped(", ".join(segmentation.all_segments), indent=4)


def _rule(rule: Rule) -> str:
    if rule == NEVER:
        return "never"
    parts = []
    if rule.requires:
        parts.append(listed(rule.requires, "and"))
    if rule.any_of:
        parts.append(f"any of {listed(rule.any_of)}")
    if rule.contains is not None:
        parts.append(f"an event with {rule.contains!r} in its name")
    if rule.field is not None:
        parts.append(f"{rule.field} is {_value(rule.equals)}")
    if rule.flow is not None:
        parts.append(f"in {rule.flow}" if rule.step is None else f"{rule.step!r} of {rule.flow}")
    if rule.excludes:
        parts.append(f"without {listed(rule.excludes)}")
    return ", ".join(parts) or "every interaction"


def _value(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _headed(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield ""
        yield title
        yield from lines


def _entry(name: str, text: str, *, indent: int = 0, column: int = _COLUMN) -> Iterator[str]:
    column = min(column, _WIDTH // 2)
    lines = wrap(text, _WIDTH - column, break_on_hyphens=False, break_long_words=False)
    head = f"{' ' * indent}{name}"
    if len(head) < column:
        yield head.ljust(column) + lines.pop(0)
    else:
        yield head
    for line in lines:
        yield " " * column + line


def _item(text: str) -> Iterator[str]:
    first, *rest = wrap(text, _WIDTH - 4, break_on_hyphens=False, break_long_words=False)
    yield f"  - {first}"
    yield from (f"    {line}" for line in rest)


def _wrapped(text: str, *, indent: int) -> Iterator[str]:
    for line in wrap(text, _WIDTH - indent, break_on_hyphens=False, break_long_words=False):
        yield " " * indent + line
