"""The configuration as the running program sees it: frozen values, units in the types."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from exporter.config.schema import CollectSection
from exporter.documents import DocumentError
from exporter.domain.definitions import Definitions
from exporter.domain.reports import Milestone
from exporter.domain.titles import Titles
from exporter.domain.windows import Window
from exporter.ingest.sweeps import Sweeps
from exporter.metrics.series import series_by_family


class ConfigurationError(DocumentError):
    """The configuration cannot be used."""


class Secret:
    """A text that is never printed; `reveal` returns it to the caller that sends it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataServer:
    """The KPIggybank to import from; `timeout` is for one request, body included.

    Credentials that stood in the address are among `headers`, not in `url`; those of the
    proxy's among `proxy_headers`.
    """

    url: str
    timeout: timedelta
    headers: Mapping[str, Secret] = field(default_factory=dict)
    ca_file: Path | None = None
    proxy: str | None = None
    proxy_headers: Mapping[str, Secret] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """Where interactions are kept. Credentials that stood in the address are not in `url`.

    `password_file`: where the password came from, if it did; it may change.
    """

    url: str
    username: str | None = None
    password: Secret | None = None
    password_file: Path | None = None
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportSettings:
    """When to import, how far back the first import reaches, and what is fetched again."""

    every: timedelta
    history: timedelta
    sweeps: Sweeps = field(default_factory=Sweeps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """All that can be configured, checked.

    Without `data_server` nothing is imported, without `collect` nothing is collected; one of
    them is there.
    """

    data_server: DataServer | None
    store: StoreSettings
    import_: ImportSettings
    collect: CollectSection | None
    retention: timedelta
    windows: tuple[Window, ...]
    series_limit: int
    definitions: Definitions
    titles: Titles
    milestones: tuple[Milestone, ...]
    listen: str

    @property
    def series(self) -> Mapping[str, int]:
        """How many series each metric family has."""
        return series_by_family(
            self.definitions,
            self.windows,
            self.milestones,
            importing=self.data_server is not None,
            collecting=self.collect is not None,
        )
