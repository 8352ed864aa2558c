"""Credentials: out of addresses, out of files, into values that never print."""

import base64
from collections.abc import Mapping
from pathlib import Path as FilePath
from ssl import PROTOCOL_TLS_CLIENT, SSLContext, SSLError
from typing import TypeVar
from urllib.parse import unquote, urlsplit, urlunsplit

from exporter.config.schema import DataServerSection, StoreSection
from exporter.config.values import DataServer, Secret, StoreSettings
from exporter.documents.errors import ErrorList
from exporter.documents.errors import Path as Place

_T = TypeVar("_T")
_FILE = "_file"
_LONGEST = 100_000
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")


def data_server(section: DataServerSection, directory: FilePath, errors: ErrorList) -> DataServer:
    """Return the settings of the source; relative files are looked up in `directory`."""
    url, user, password = _without_credentials(section.url or "")
    headers: dict[str, Secret] = {}
    given: dict[str, str] = {}
    for key, text in section.headers.items():
        place = ("data_server", "headers", key)
        name = key.removesuffix(_FILE)
        value = _from_file(directory / text, place, errors) if key != name else Secret(text)
        if not name or not _TOKEN.issuperset(name.lower()):
            errors.add(place, "expected the name of a header, found characters that none has")
        elif name.lower() in given:
            errors.add(place, f"expected once, found {given[name.lower()]} too")
        elif value is not None:
            _check_header(value, place, errors)
            headers[name] = value
        given.setdefault(name.lower(), key)
    if user is not None:
        if "authorization" in given:
            errors.add(
                ("data_server", "url"),
                f"expected no user beside headers.{given['authorization']}, found one",
            )
        headers["Authorization"] = _basic(user, password)
    proxy, proxy_user, proxy_password = _without_credentials(section.proxy or "")
    return DataServer(
        url=url,
        timeout=section.timeout,
        headers=headers,
        ca_file=_ca_file(("data_server", "ca_file"), section.ca_file, "https", url, errors),
        proxy=proxy or None,
        proxy_headers={}
        if proxy_user is None
        else {"Proxy-Authorization": _basic(proxy_user, proxy_password)},
    )


def store(section: StoreSection, errors: ErrorList) -> StoreSettings:
    """Return the settings of the store."""
    url, user, in_url = _without_credentials(section.url)
    if not errors.touch("store", "url"):
        _check_store_keys(section, url, errors)
    file = section.password_file
    passwords = {
        "url": None if in_url is None else Secret(in_url),
        "password": None if section.password is None else Secret(section.password),
        "password_file": None
        if file is None
        else _from_file(file, ("store", "password_file"), errors),
    }
    username = _one("user", {"url": user, "username": section.username}, errors)
    password = _one("password", passwords, errors)
    unknown = errors.touch("store", "url") or errors.touch("store", "username")
    if password is not None and username is None and not unknown:
        errors.add(("store", "username"), "expected beside a password, found no such key")
    return StoreSettings(
        url=url,
        username=username,
        password=password,
        password_file=file,
        ca_file=_ca_file(("store", "ca_file"), section.ca_file, "couchdbs", url, errors),
    )


def password_again(settings: StoreSettings) -> str | None:
    """Read the store's password once more where it is in a file; None if it cannot be read."""
    if settings.password_file is None:
        return None
    secret = _from_file(settings.password_file, ("store", "password_file"), ErrorList())
    return None if secret is None else secret.reveal()


def _check_store_keys(section: StoreSection, url: str, errors: ErrorList) -> None:
    for key in ("username", "password", "password_file", "ca_file"):
        if getattr(section, key) is None:
            continue
        if url.startswith("sqlite:"):
            errors.add(
                ("store", key), "expected only with couchdb:// or couchdbs://, found with sqlite:"
            )


def _ca_file(
    place: Place, file: FilePath | None, scheme: str, url: str, errors: ErrorList
) -> FilePath | None:
    """Find a file of certificates for `scheme`; one that cannot be used is an error."""
    if file is None:
        return None
    found = url.partition(":")[0]
    if found not in (scheme, "sqlite") and not errors.touch(place[0], "url"):
        errors.add(place, f"expected only with {scheme}://, found with {found}://")
    elif not file.is_file():
        errors.add(place, f"expected a file, found none at {file}")
    elif (reason := _no_certificates(file)) is not None:
        errors.add(place, f"expected certificates in {file}, found {reason}")
    return file


def _no_certificates(file: FilePath) -> str | None:
    try:
        SSLContext(PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=file)
    except SSLError:
        return "none"
    except OSError as error:
        return error.strerror
    return None


def _basic(user: str, password: str | None) -> Secret:
    pair = f"{user}:{password or ''}".encode()
    return Secret("Basic " + base64.b64encode(pair).decode())


def _one(what: str, ways: Mapping[str, _T | None], errors: ErrorList) -> _T | None:
    """Return the only one that is not None; several are an error."""
    given = [(key, value) for key, value in ways.items() if value is not None]
    for key, _ in given[1:]:
        errors.add(("store", key), f"expected one {what}, found another in store.{given[0][0]}")
    return given[0][1] if given else None


def _without_credentials(url: str) -> tuple[str, str | None, str | None]:
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url, None, None
    user, _, host = parts.netloc.rpartition("@")
    name, colon, password = user.partition(":")
    bare = urlunsplit(parts._replace(netloc=host))
    return bare, unquote(name), unquote(password) if colon else None


def _from_file(file: FilePath, place: Place, errors: ErrorList) -> Secret | None:
    try:
        with file.open(encoding="utf-8-sig") as lines:  # some editors begin with a mark
            text = lines.read(_LONGEST).removesuffix("\n").removesuffix("\r")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text"
        errors.add_unknown(place, f"expected a file to read, found {file}: {reason}")
        return None
    if not text:
        errors.add_unknown(place, f"expected a secret in {file}, found it empty")
        return None
    return Secret(text)


def _check_header(value: Secret, place: Place, errors: ErrorList) -> None:
    text = value.reveal()
    if not text.isprintable() or not text.isascii() or text != text.strip():
        errors.add(
            place, "expected ASCII characters on one line without space around, found others"
        )
