"""YAML -> `Configuration`, or every error at once."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from importlib import resources
from pathlib import Path

from exporter.config import credentials
from exporter.config.definitions import definitions
from exporter.config.environment import expand
from exporter.config.extends import extended
from exporter.config.scalars import in_words
from exporter.config.schema import (
    DataServerSection,
    DurationSection,
    File,
    FlowSection,
    ImportSection,
    PackageSection,
    SegmentationSection,
)
from exporter.config.values import (
    Configuration,
    ConfigurationError,
    DataServer,
    ImportSettings,
    StoreSettings,
)
from exporter.documents import Document, ErrorList, parse, read, shape
from exporter.domain.reports import Milestone
from exporter.domain.titles import Titles
from exporter.domain.windows import Window
from exporter.ingest.sweeps import Sweeps, Tier

_CONTRIBUTORS = 5  # that a message on too many series names


def load(
    source: str | Path, environ: Mapping[str, str], *, running: Configuration | None = None
) -> Configuration:
    """Read a configuration: its text, or the file at a path.

    Relative paths of secrets and certificates in a file start at its directory, in a text at
    the working directory. Where it takes the place of a `running` one, it may not change what
    needs a restart. Raises `ConfigurationError` with everything that is wrong.
    """
    errors = ErrorList()
    file = source if isinstance(source, Path) else None
    text = source if isinstance(source, str) else read(source, errors)
    configuration = text is not None and _configuration(
        text, environ, file.parent if file else Path(), errors
    )
    if configuration and running:
        _check_unchanged(configuration, running, errors)
    if not configuration or errors:
        raise ConfigurationError(errors.texts(), file, errors.lines())
    return configuration


def _check_unchanged(requested: Configuration, running: Configuration, errors: ErrorList) -> None:
    """Report what cannot change while the exporter runs."""
    stores = _without_password(requested.store), _without_password(running.store)
    for path, new, old in (
        (("store",), *stores),
        (("collect",), requested.collect, running.collect),
        (("web", "listen"), requested.listen, running.listen),
    ):
        if new != old:
            errors.add(path, "a change needs a restart")


def _without_password(store: StoreSettings) -> StoreSettings:
    """Return what a running store cannot change; it reads a file with its password by itself."""
    return store if store.password_file is None else replace(store, password=None)


def store_at(url: str, password_file: str | None = None) -> StoreSettings:
    """Read the address of a store, as `store.url` of a configuration would be.

    `password_file` is as the key of that name, from the current directory. Raises
    `ConfigurationError`.
    """
    errors = ErrorList()
    section = shape(File, {"store": {"url": url, "password_file": password_file}}, errors).store
    settings = credentials.store(section, errors)
    if errors:
        raise ConfigurationError(errors.texts())
    return settings


def _configuration(
    text: str, environ: Mapping[str, str], directory: Path, errors: ErrorList
) -> Configuration | None:
    document = parse(text, errors)
    if document is None:
        return None
    values = {key: expand(value, environ, errors, (key,)) for key, value in document.items()}
    persona = _persona()
    file = shape(File, extended(values, persona, errors), errors, directory)
    source = _source(file, directory, errors)
    store = credentials.store(file.store, errors)
    _check_lengths(file, errors)
    _check_milestones(file, errors)
    package = PackageSection.model_validate(persona)
    defined = definitions(file, package, errors)
    milestones = tuple(Milestone(name=m.name, date=m.date, quiet=m.quiet) for m in file.milestones)
    windows = _windows(file, errors)
    if errors:
        return None
    configuration = Configuration(
        data_server=source,
        store=store,
        import_=_import_settings(file.import_),
        collect=file.collect,
        retention=file.retention,
        windows=windows,
        series_limit=file.series_limit,
        definitions=defined,
        titles=Titles(
            flows=_titles(file.flows),
            steps={
                (flow, step.name): step.title
                for flow, section in (file.flows or package.flows).items()
                for step in section.steps
                if step.title is not None
            },
            segmentations=_titles(file.segmentations),
            durations=_titles(file.durations),
            sites=file.sites.title if file.sites else None,
        ),
        milestones=milestones,
        listen=file.web.listen,
    )
    _check_series(configuration, errors)
    return None if errors else configuration


def _titles(
    sections: Mapping[str, FlowSection | SegmentationSection | DurationSection] | None,
) -> Mapping[str, str]:
    return {name: one.title for name, one in (sections or {}).items() if one.title is not None}


def _windows(file: File, errors: ErrorList) -> tuple[Window, ...]:
    """Return the windows, each with whether segments have it."""
    chosen = file.segment_windows
    if chosen is None or errors.touch("windows") or errors.touch("segment_windows"):
        return tuple(file.windows)
    known = {window.name for window in file.windows}
    for n, window in enumerate(chosen):
        if window.name not in known:
            errors.add(
                ("segment_windows", n),
                f"expected one of windows ({', '.join(one.name for one in file.windows)}),"
                f" found {window.name}",
            )
    names = {window.name for window in chosen}
    return tuple(replace(window, by_segment=window.name in names) for window in file.windows)


def _source(file: File, directory: Path, errors: ErrorList) -> DataServer | None:
    """Read where to import from; None if interactions are only collected."""
    section = file.data_server
    if section.url is None and not errors.touch("data_server", "url"):
        if file.collect is None and not errors.touch("collect"):
            errors.add(
                ("data_server", "url"),
                "expected the address of KPIggybank (or collect, to take interactions without"
                " one), found no such key",
            )
        elif section == DataServerSection():
            return None
        else:
            errors.add(
                ("data_server", "url"), "expected beside other keys of data_server, found none"
            )
    return credentials.data_server(section, directory, errors)


def _import_settings(section: ImportSection) -> ImportSettings:
    return ImportSettings(
        every=section.every,
        history=section.history,
        sweeps=Sweeps(
            after=tuple(section.sweep_after),
            uncounted=tuple(
                Tier(every=tier.every, up_to=tier.up_to or timedelta.max)
                for tier in section.sweep_uncounted
            ),
            share=section.catch_up_share,
            rows=section.sweep_rows,
        ),
    )


def _check_lengths(file: File, errors: ErrorList) -> None:
    """Check the lengths of time against each other."""
    history, retention, windows = file.import_.history, file.retention, file.windows
    most = f"expected at most the retention ({in_words(retention)})"
    if errors.touch("retention"):
        return
    if history > retention and not errors.touch("import", "history"):
        errors.add(("import", "history"), f"{most}, found {in_words(history)}")
    if errors.touch("windows"):
        return
    names: dict[int, str] = {}
    for n, window in enumerate(windows):
        if timedelta(hours=window.hours) > retention:
            errors.add(("windows", n), f"{most}, found {window.name}")
        if window.hours in names:
            errors.add(
                ("windows", n),
                f"expected each window once, found {window.name} beside {names[window.hours]}",
            )
        names[window.hours] = window.name


def _check_milestones(file: File, errors: ErrorList) -> None:
    seen: set[tuple[str, date]] = set()
    for n, milestone in enumerate(file.milestones):
        if (milestone.name, milestone.date) in seen:
            errors.add(
                ("milestones", n),
                f"expected each milestone once, found {milestone.name!r} on {milestone.date} again",
            )
        seen.add((milestone.name, milestone.date))


def _check_series(configuration: Configuration, errors: ErrorList) -> None:
    counts = configuration.series
    total = sum(counts.values())
    if total > configuration.series_limit:
        largest = sorted(counts, key=lambda name: -counts[name])[:_CONTRIBUTORS]
        rest = total - sum(counts[name] for name in largest)
        parts = " + ".join(f"{counts[name]} {name}" for name in largest)
        errors.add(
            ("series_limit",),
            f"expected at most {configuration.series_limit} series, found {total}"
            f" = {parts} + {rest} others; fewer windows, segments, steps or durations make fewer",
        )


def _persona() -> dict[str, Document]:
    """Read the definitions that come with the package."""
    text = resources.files("exporter").joinpath("persona.yaml").read_text(encoding="utf-8")
    return parse(text, ErrorList()) or {}
