"""From settings to the source and the store that they name."""

from pathlib import Path

import structlog

from exporter.config import DataServer, StoreSettings, password_again
from exporter.ports import RowFile, Source, Store
from exporter.sources.files import InteractionFile
from exporter.stores.sqlite import SqliteStore, quarantine


def open_source(settings: DataServer) -> Source:
    """Open the source; nothing is asked of it yet."""
    from exporter.exchange import Client  # noqa: PLC0415 -- urllib3 takes a while
    from exporter.sources.kpiggybank import Kpiggybank  # noqa: PLC0415

    return Kpiggybank(
        settings.url,
        timeout=settings.timeout,
        client=Client(
            headers={name: secret.reveal() for name, secret in settings.headers.items()},
            ca_file=settings.ca_file,
            proxy=settings.proxy,
            proxy_headers={
                name: secret.reveal() for name, secret in settings.proxy_headers.items()
            },
        ),
    )


def open_file(name: str) -> RowFile:
    """Open the reader of a file of interactions, `-` being standard input; nothing is read yet."""
    return InteractionFile(name)


def open_store(settings: StoreSettings, *, durable: bool = False) -> Store:
    """Open the store that the address names, and make what is missing. Raises `StoreError`.

    `durable`: what is added has to survive the loss of power. A CouchDB sees to it by itself.
    """
    if (file := _file(settings)) is not None:
        return SqliteStore(file, durable=durable)
    from exporter.stores.couchdb import CouchdbStore, Transport  # noqa: PLC0415

    return CouchdbStore(
        settings.url,
        username=settings.username,
        password=None if settings.password is None else settings.password.reveal(),
        transport=Transport(
            ca_file=settings.ca_file, password_again=lambda: password_again(settings)
        ),
    )


def exists(settings: StoreSettings) -> bool:
    """Return whether a store's file exists; of a CouchDB, only the server can tell."""
    file = _file(settings)
    return file is None or file.exists()


def is_file(settings: StoreSettings) -> bool:
    """Return whether a store is a file that is there: reading it asks no server."""
    file = _file(settings)
    return file is not None and file.exists()


def replace_damaged_store(settings: StoreSettings, *, durable: bool = False) -> Store:
    """Open a store in place of a damaged one, which is kept. Raises `StoreError`.

    Only a file is quarantined; the data of a CouchDB is its own server's.
    """
    file = _file(settings)
    if file is not None and (aside := quarantine(file)) is not None:
        structlog.get_logger().error(
            "damaged store quarantined, what the source holds is imported anew", kept=str(aside)
        )
    return open_store(settings, durable=durable)


def _file(settings: StoreSettings) -> Path | None:
    scheme, _, rest = settings.url.partition(":")
    return Path(rest) if scheme == "sqlite" else None
