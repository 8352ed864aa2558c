"""An explanation, written out for people."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import isnan
from string import ascii_uppercase

from exporter.commands.common import printable
from exporter.config.scalars import in_words
from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.histogram import DURATION_BUCKETS
from exporter.domain.interaction import Hour
from exporter.domain.kpis import KPIS, Formula, Labels
from exporter.domain.layout import TOTAL_ROW, Layout
from exporter.domain.slot_names import duration_words, sites_words, what_is_counted
from exporter.domain.tally import Counts
from exporter.domain.titles import Titles
from exporter.domain.windows import instant_of, start_of
from exporter.maintenance.explain import Arrivals, Explanation, rejected_within
from exporter.metrics.families import SEGMENTS, TOTALS
from exporter.ports import Store

_BAR = 40  # characters of the longest bar


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What was asked: a KPI over a period, `window 1d` or `day 2013-07-01`, in these formulas."""

    kpi: str
    period: str
    formulas: Sequence[Formula]
    evaluator: Evaluator
    titles: Titles


def lines(question: Question, explanation: Explanation, store: Store) -> Iterator[str]:
    """Write an explanation out. Raises `StoreError`."""
    letters = _letters(question.formulas)
    yield from _head(question, explanation)
    yield ""
    yield from _values(question, explanation, explanation.total, letters)
    yield ""
    yield from _by_hour(explanation, letters)
    yield ""
    yield from _lateness(explanation)
    yield from _check(explanation)
    yield from _unused(explanation, store)
    for slot, letter in letters.items():
        kept = explanation.samples[slot].kept()
        if kept:
            yield ""
            yield f"some of {letter}, {what_is_counted(question.evaluator.layout, slot)}:"
            yield from (f"  {_moment(at)}  {printable(id_)}" for id_, at in kept)


def _letters(formulas: Sequence[Formula]) -> Mapping[int, str]:
    """Return each counter that is named a letter: A to Z, then A1 and so on."""
    slots = dict.fromkeys(slot for formula in formulas for slot in formula.slots)
    rounds = range(1 + len(slots) // len(ascii_uppercase))
    names = (f"{letter}{n or ''}" for n in rounds for letter in ascii_uppercase)
    return dict(zip(slots, names, strict=False))


def _head(question: Question, explanation: Explanation) -> Iterator[str]:
    scope = explanation.scope
    kpi = KPIS[question.kpi]
    row = scope.segmentation, scope.segment
    titles = question.titles
    yield f"{titles.kpi(kpi.title)}: {titles.meaning(kpi.title, kpi.help)}"
    yield (
        f"{question.period}: from {_hour(scope.start)} until before {_hour(scope.end)},"
        f" {scope.end - scope.start} hours"
    )
    yield "all interactions" if row == TOTAL_ROW else f"those of {row[0]} {row[1]}"
    yield f"counted under definitions {question.evaluator.digest}"


def _values(
    question: Question, explanation: Explanation, total: Counts, letters: Mapping[int, str]
) -> Iterator[str]:
    layout = question.evaluator.layout
    for formula in question.formulas:
        name = _series(question.kpi, explanation, formula.labels)
        value = formula.of(total).value
        yield f"{name} = {'undefined' if isnan(value) else f'{value:.6g}'}"
        yield f"  = {_worked_out(formula, lambda slot: letters[slot])}"
        yield f"  = {_worked_out(formula, lambda slot: f'{total.get(slot, 0)}')}"
    yield ""
    width = max(len(f"{total.get(slot, 0):,}") for slot in letters)
    for slot, letter in letters.items():
        yield f"{letter:>4}  {total.get(slot, 0):>{width},}  {what_is_counted(layout, slot)}"
    for formula in question.formulas:
        if formula.quantile is None:
            continue
        if "duration" in KPIS[question.kpi].labels:
            yield ""
            yield from _duration(total, formula.labels[0], layout)
        else:
            yield from _sites(total, layout)


def _series(kpi: str, explanation: Explanation, labels: Labels) -> str:
    """Return the series' name on /metrics, but for the window; KPIs without segments stay so."""
    scope = explanation.scope
    families = TOTALS if (scope.segmentation, scope.segment) == TOTAL_ROW else (*SEGMENTS, *TOTALS)
    family = next(family for family in families if family.kpi == kpi)
    row = (scope.segmentation, scope.segment) if family.segmented else ()
    pairs = zip(family.labels[1:], (*row, *labels), strict=True)
    written = ",".join(f'{name}="{value}"' for name, value in pairs)
    return f"{family.name}{{{written}}}" if written else family.name


def _worked_out(formula: Formula, write: Callable[[int], str]) -> str:
    """Write a formula, with letters or with numbers."""
    text = " + ".join(map(write, formula.plus))
    if formula.quantile:
        return f"{formula.quantile_name} over {text}"
    text = " - ".join((text, *map(write, formula.minus)))
    if formula.over is None:
        return text
    parts = len(formula.plus) + len(formula.minus)
    above = f"({text})" if parts > 1 else text
    below = " + ".join(map(write, formula.over))
    return f"{above} / {f'({below})' if len(formula.over) > 1 else below}"


def _sites(total: Counts, layout: Layout) -> Iterator[str]:
    """Return how many interactions there are of users of so many sites."""
    first = layout.sites_histogram
    above = {slot - first: n for slot, n in sorted(total.items()) if slot > first}
    yield f"      {total.get(layout.attempts, 0) - sum(above.values()):,} at 0 sites"
    yield from (f"      {n:,} at {sites_words(bucket)} sites" for bucket, n in above.items())


def _duration(total: Counts, name: str, layout: Layout) -> Iterator[str]:
    """Draw the histogram of a duration, from its first bucket to its last."""
    slots = layout.durations[name]
    buckets = [n for n in range(DURATION_BUCKETS) if total.get(slots.buckets + n)]
    if not buckets:
        yield f"      no interaction has a duration {name}"
        return
    yield f"      {name}, interactions by how long it took:"
    shown = range(buckets[0], buckets[-1] + 1)
    counts = {bucket: total.get(slots.buckets + bucket, 0) for bucket in shown}
    most = max(counts.values())
    words = {bucket: duration_words(bucket) for bucket in shown}
    width, digits = max(map(len, words.values())), len(f"{most:,}")
    up_to, interactions = 0, total.get(slots.interactions, 0)
    for bucket, n in counts.items():
        up_to += n
        bar = "#" * round(_BAR * n / most) or ("." if n else "")
        share = up_to / interactions if interactions else 0.0
        yield f"      {words[bucket]:>{width}}  {n:>{digits},}  {share:>4.0%}  {bar}".rstrip()


def _by_hour(explanation: Explanation, letters: Mapping[int, str]) -> Iterator[str]:
    """Yield the counts by hour; hours without any are left out."""
    slots = list(letters)
    table = [["hour", "interactions", "late", *letters.values()]]
    for hour in sorted(explanation.counted.keys() | explanation.arrivals.keys()):
        counts = explanation.counted.get(hour, {})
        table.append(_row(_hour(hour), explanation.arrivals.get(hour), counts, slots))
    all_arrivals = sum(explanation.arrivals.values(), Arrivals())
    table.append(_row("in all", all_arrivals, explanation.total, slots))
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for first, *others in table:
        cells = (f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True))
        yield "  ".join((f"{first:<{widths[0]}}", *cells))


def _row(name: str, arrivals: Arrivals | None, counts: Counts, slots: Sequence[int]) -> list[str]:
    arrived = arrivals or Arrivals()
    known = arrived.unknown < arrived.interactions or not arrived.interactions
    return [
        name,
        f"{arrived.interactions:,}",
        f"{arrived.late:,}" if known else "?",
        *(f"{counts.get(slot, 0):,}" for slot in slots),
    ]


def _lateness(explanation: Explanation) -> Iterator[str]:
    arrived = sum(explanation.arrivals.values(), Arrivals())
    known = arrived.interactions - arrived.unknown
    grace = _in_words(explanation.scope.grace)
    if known:
        latest = f", the latest {_in_words(explanation.latest)}" if arrived.late else ""
        yield (
            f"late: {arrived.late:,} of {known:,} arrived more than {grace} after the end of"
            f" their hour{latest}"
        )
    if arrived.unknown:
        yield (
            f"late: not known of {arrived.unknown:,} that arrived before KPIs were first exposed,"
            " or with a copy"
        )


def _check(explanation: Explanation) -> Iterator[str]:
    if explanation.recomputed == explanation.total:
        yield "check: recomputed from the interactions themselves, it is the same"
    else:
        yield (
            "check: the interactions themselves come to other counts; unless an import was"
            " running, `kpi-exporter verify` says which are wrong"
        )


def _unused(explanation: Explanation, store: Store) -> Iterator[str]:
    """Return what is not in the number; what was ignored is not known by time."""
    stats = store.stats()
    reasons = ", ".join(f"{n:,} {reason}" for reason, n in stats.rejected.items())
    yield f"not used: {stats.ignored:,} rows ignored for an empty event stream, in the whole store"
    yield f"not used: {sum(stats.rejected.values()):,} rows rejected there" + (
        f" ({reasons})" if reasons else ""
    )
    ids = rejected_within(store, explanation.scope.start, explanation.scope.end)
    if ids:
        yield f"  of these, by their timestamp from these hours: {', '.join(map(printable, ids))}"


def _hour(hour: Hour) -> str:
    return f"{start_of(hour):%Y-%m-%dT%H:%MZ}"


def _moment(timestamp_ms: int) -> str:
    return f"{instant_of(timestamp_ms):%Y-%m-%dT%H:%M:%SZ}"


def _in_words(length: timedelta) -> str:
    return in_words(timedelta(seconds=max(length // timedelta(seconds=1), 1)))
