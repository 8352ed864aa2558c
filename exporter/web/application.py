"""What the HTTP side asks of the application, and the values it is given."""

from collections.abc import Sequence
from typing import Protocol

from exporter.metrics.exposition import Response
from exporter.web.page.model import Page


class Application(Protocol):
    """Where the answers stand ready to be read.

    `metrics`, `unready` and `page` are called on the event loop: they return what is there
    and never wait. `report`, `metrics` with names, `page` with a period, and `reload` run in a
    thread of their own and may take their time; only `report` reads the store. All may be called
    at once.
    """

    def metrics(self, *, accept: str, gzip: bool, names: Sequence[str]) -> Response:
        """Return the last snapshot in the best format for the header `accept`.

        `gzip` says whether the client takes gzip; `names` holds the families or series names
        to confine the answer to, all of them where it is empty.
        """

    def unready(self) -> str | None:
        """Return why there is nothing to show yet; None once a first snapshot exists."""

    def report(
        self, name: str, *, start: float | None, end: float | None, segmentation: str | None
    ) -> object:
        """Return a report, ready for JSON: no NaN, an undefined ratio is None.

        `start` and `end` are Unix seconds, both days included. Raises `UnknownReport` and
        `InvalidSegmentation` (`exporter.domain.reports`), and `StoreError` (`exporter.ports`).
        """

    def page(self, *, days: int | None = None, segmentation: str | None = None) -> Page:
        """Return what the page for people shows.

        With `days` or a segmentation, of the last whole days. Raises `InvalidSegmentation`.
        """

    def reload(self) -> Sequence[str]:
        """Read the configuration anew and apply it whole; the errors, if it was refused."""
