"""`import`: one import and exit."""

import argparse
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import datetime

import structlog
from rich.progress import ProgressColumn, Task, TextColumn
from rich.text import Text
from typing_extensions import override

from exporter.clock import now
from exporter.commands.common import (
    CommandError,
    UsageError,
    load_configuration,
    open_store_with_definitions,
)
from exporter.commands.dates import instant
from exporter.commands.progress import Shown
from exporter.config import Configuration
from exporter.config.scalars import in_words
from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.windows import ms_of
from exporter.ingest.definitions import rebuild_all
from exporter.ingest.files import import_files
from exporter.ingest.importer import Importer
from exporter.ingest.importer import Progress as Portion
from exporter.ingest.reconciler import Reconciler
from exporter.ports import RESULTS, AddResult, Source, SourceError, Store, StoreError
from exporter.wiring import open_file, open_source


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument(
        "files",
        nargs="*",
        metavar="FILE",
        help="import from files instead, - being standard input: JSON lines, an array of blobs or"
        " of KPIggybank's rows, or CouchDB's answer to _all_docs or _changes with include_docs;"
        " gzip and zstd by content",
    )
    parser.add_argument(
        "--since",
        type=instant,
        metavar="TIME",
        help="from this ISO date or timestamp on (default: where the last import ended, at first"
        " import.history back)",
    )
    parser.add_argument(
        "--until",
        type=instant,
        metavar="TIME",
        help="until then, written likewise; what is of that very instant may come, too",
    )


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    if options.since and options.until and options.since >= options.until:
        raise UsageError(f"--since {options.since} is not before --until {options.until}")
    if options.files and (options.since or options.until):
        raise UsageError("--since and --until are for the source, files are imported whole")
    configuration = load_configuration(options)
    began = now()
    show = _Shown()
    take = _import_files if options.files else _import
    more = take(options, configuration, began, show)
    seconds = round((now() - began).total_seconds(), 3)
    structlog.get_logger().info("import finished", seconds=seconds, **show.counts, **more)


def _import(
    options: argparse.Namespace, configuration: Configuration, began: datetime, show: "_Shown"
) -> Mapping[str, int]:
    server = configuration.data_server
    if server is None:
        raise CommandError(
            "there is no data_server in the configuration to import from, and no file was given"
        )
    with (
        closing(open_source(server)) as source,
        open_store_with_definitions(configuration, create=True) as (store, evaluator),
        show,
    ):
        for portion in _portions(source, store, evaluator, configuration, options, began):
            show.added(portion.added, portion.done)
        store.settle()
        if store.must_rebuild():  # other imports had to end first
            rebuild_all(store)
    return {}


def _import_files(
    options: argparse.Namespace, configuration: Configuration, began: datetime, show: "_Shown"
) -> Mapping[str, int]:
    files = [open_file(name) for name in options.files]
    oldest_ms = ms_of(began - configuration.retention)
    past = 0
    try:
        with (
            open_store_with_definitions(configuration, create=True) as (store, evaluator),
            show,
        ):
            for added in import_files(files, store, evaluator, began):
                past += sum(timestamp_ms < oldest_ms for timestamp_ms in added.timestamps_ms)
                done = [file.done for file in files]
                show.added(added, None if None in done else sum(filter(None, done)) / len(files))
    except (SourceError, StoreError) as error:
        counts = ", ".join(f"{n} {result}" for result, n in show.counts.items())
        raise CommandError(f"{error} ({counts})") from error
    if past:
        structlog.get_logger().warning(
            "some are past the retention: serve will drop them within a day",
            interactions=past,
            retention=in_words(configuration.retention),
        )
    return {"skipped": sum(file.skipped for file in files)}


def _portions(
    source: Source,
    store: Store,
    evaluator: Evaluator,
    configuration: Configuration,
    options: argparse.Namespace,
    began: datetime,
) -> Iterator[Portion]:
    """Import a range if one is given; else what is new and what came late, as the daemon does."""
    settings = configuration.import_
    importer = Importer(source, store, history=settings.history)
    if options.since or options.until:
        return importer.run(
            evaluator, began, since=options.since, until=options.until, held=source.count()
        )
    reconciler = Reconciler(
        importer,
        source,
        store,
        history=settings.history,
        retention=configuration.retention,
        sweeps=settings.sweeps,
    )
    return reconciler.import_all(evaluator, began)


class _Rate(ProgressColumn):
    """Rows a second."""

    @override
    def render(self, task: Task) -> Text:
        return Text(f"{task.fields['rows'] / (task.elapsed or 1):,.0f}/s")


class _Shown(Shown):
    """What became of the rows so far, and how much of the range, or the files, is done."""

    def __init__(self) -> None:
        super().__init__("importing", TextColumn("{task.fields[rows]:,} rows"), _Rate(), rows=0)
        self.counts = dict.fromkeys(RESULTS, 0)

    def added(self, added: AddResult, done: float | None) -> None:
        """Count what was added; `done` is from 0 to 1, None where that is not known."""
        for result, n in added.counts.items():
            self.counts[result] += n
        rows = sum(self.counts.values())
        share = "unknown" if done is None else f"{done:.0%}"
        total = None if done is None else 1.0
        self.update(done or 0.0, total, log={"rows": rows, "done": share}, rows=rows)
