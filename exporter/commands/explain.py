"""`explain`: where a number comes from."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from exporter import notes
from exporter.clock import now
from exporter.commands.common import (
    CommandError,
    UsageError,
    at_least,
    load_configuration,
    open_store_with_definitions,
    suggestion,
)
from exporter.commands.dates import first_day
from exporter.commands.explain_text import Question, lines
from exporter.commands.progress import track
from exporter.config import Configuration
from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.interaction import HOURS_PER_DAY
from exporter.domain.kpis import KPIS, Formula
from exporter.domain.layout import TOTAL_ROW
from exporter.domain.reports import KPI_OF_REPORT, flow_of_report, kpi_of_report
from exporter.domain.windows import first_hour_of, hour_of, ms_of
from exporter.maintenance.explain import Explanation, Scope
from exporter.ports import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("kpi", type=_kpi, metavar="KPI", help=", ".join(KPIS))
    when = parser.add_mutually_exclusive_group()
    when.add_argument(
        "--window", metavar="NAME", help="a window as configured (default: the first of them)"
    )
    when.add_argument("--day", type=first_day, metavar="DATE", help="a UTC day instead of a window")
    parser.add_argument("--segmentation", metavar="NAME", help="with --segment: only of these")
    parser.add_argument("--segment", metavar="NAME", help="a segment of the segmentation")
    parser.add_argument("--flow", metavar="NAME", help="of one flow (KPIs on flows)")
    parser.add_argument("--step", metavar="NAME", help="of one step (KPIs on steps)")
    parser.add_argument("--duration", metavar="NAME", help="one duration (KPIs on durations)")
    parser.add_argument(
        "--sample",
        type=at_least(0),
        default=0,
        metavar="N",
        help="name N of the interactions behind each part",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A KPI, and the flow that it is asked for if its name says so."""

    kpi: str
    flow: str | None


def _kpi(text: str) -> _Asked:
    """Return the KPI of that name, or that which the report of that name shows."""
    name = text.removeprefix("kpi_").removeprefix("segment_")
    kpi = kpi_of_report(name) or name
    if kpi not in KPIS:
        known = (*KPIS, *KPI_OF_REPORT)
        raise argparse.ArgumentTypeError(f"no KPI {text!r}; {suggestion(text, known)}")
    return _Asked(kpi=kpi, flow=flow_of_report(name))


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    configuration = load_configuration(options)
    at = now()
    with open_store_with_definitions(configuration) as (store, evaluator):
        wanted = _formulas(options, evaluator)
        period, scope = _scope(options, configuration, evaluator, store, at)
        slots = {slot for formula in wanted for slot in formula.slots}
        explanation = Explanation(evaluator, scope, slots=slots, sample=options.sample)
        track(explanation.read(store), "interactions read", None)
        question = Question(
            kpi=options.kpi.kpi,
            period=period,
            formulas=wanted,
            evaluator=evaluator,
            titles=configuration.titles,
        )
        print("\n".join(lines(question, explanation, store)))


def _formulas(options: argparse.Namespace, evaluator: Evaluator) -> Sequence[Formula]:
    """Choose the formulas of the KPI by flow and step."""
    kpi = KPIS[options.kpi.kpi]
    chosen: Sequence[Formula] = kpi.formulas(evaluator.layout)
    for name in ("flow", "step", "duration"):
        wanted = getattr(options, name)
        if wanted is None and name == "flow":
            wanted = options.kpi.flow
        if wanted is None:
            continue
        if name not in kpi.labels:
            raise UsageError(f"kpi_{kpi.name} has no label {name!r}")
        place = kpi.labels.index(name)
        there = dict.fromkeys(formula.labels[place] for formula in chosen)
        if wanted not in there:
            raise CommandError(f"no {name} {wanted!r}; {suggestion(wanted, there)}")
        chosen = [formula for formula in chosen if formula.labels[place] == wanted]
    return chosen


def _scope(
    options: argparse.Namespace,
    configuration: Configuration,
    evaluator: Evaluator,
    store: Store,
    at: datetime,
) -> tuple[str, Scope]:
    """Choose range and segment; return them with the name of the range."""
    if options.day is not None:
        period = f"day {options.day}"
        start = first_hour_of(options.day)
        end = start + HOURS_PER_DAY
    else:
        windows = {window.name: window.hours for window in configuration.windows}
        name = options.window or next(iter(windows))
        if name not in windows:
            raise CommandError(f"no window {name!r}; {suggestion(name, windows)}")
        period = f"window {name}"
        end = hour_of(at) + 1
        start = end - windows[name]
    segmentation, segment = _row(options, evaluator)
    return period, Scope(
        segmentation=segmentation,
        segment=segment,
        start=start,
        end=end,
        grace=configuration.import_.every,
        watched_ms=_watched_ms(store, at),
    )


def _row(options: argparse.Namespace, evaluator: Evaluator) -> tuple[str, str]:
    if options.segmentation is None and options.segment is None:
        return TOTAL_ROW
    of = {s.name: s.all_segments for s in evaluator.definitions.segmentations}
    name, segment = options.segmentation, options.segment
    if name is None:
        raise UsageError("--segment needs --segmentation")
    if name not in of:
        raise CommandError(f"no segmentation {name!r}; {suggestion(name, of)}")
    if segment is None:
        raise UsageError(f"--segmentation needs --segment, one of {', '.join(of[name])}")
    if segment not in of[name]:
        raise CommandError(f"no segment {segment!r} of {name}; {suggestion(segment, of[name])}")
    return name, segment


def _watched_ms(store: Store, at: datetime) -> int:
    """Return until when nothing is known of arrivals: before a daemon ran, and before a copy."""
    exposed = notes.read_time(notes.EXPOSED_SINCE, store.note(notes.EXPOSED_SINCE)) or at
    copied = notes.read_time(notes.COPIED, store.note(notes.COPIED)) or exposed
    return ms_of(max(exposed, copied))
