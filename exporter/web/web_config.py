"""The file of `--web.config.file`: its form, and what is made of it. See docs/how-to/tls.md."""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import bcrypt
from pydantic import AfterValidator, BeforeValidator, Field

from exporter.documents import DocumentError, ErrorList, Section, parse, read, shape
from exporter.documents.scalars import FilePath, TruthValue, Whole, expected, truth
from exporter.web.rate import RateLimit
from exporter.web.tls import Cipher, ClientAuth, Curve, Pem, Tls, Version

_BCRYPT = re.compile(r"\$2[aby]\$(?P<cost>[0-9]{2})\$(?P<salt>[./A-Za-z0-9]{22})[./A-Za-z0-9]{31}")
_COSTS = range(4, 16)  # 15 is a matter of seconds, and each step doubles it
_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")


class WebConfigError(DocumentError):
    """The web configuration cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebConfig:
    """How to serve: over TLS or not, to whom, and with which headers besides its own.

    `users` maps names to bcrypt hashes; where it is empty, everybody is served. `files` are
    those that `tls` was made of. `client_names`: of which a client's certificate has to name one;
    where it is empty, any that is signed will do.
    """

    tls: ssl.SSLContext | None = None
    client_names: frozenset[str] = frozenset()
    rate_limit: RateLimit | None = None
    users: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    files: tuple[Path, ...] = ()


def _user(name: str) -> str:
    if ":" in name:
        raise ValueError("expected a name without a colon, which would end it when sent")
    return name


def _hash(text: str) -> str:
    parts = _BCRYPT.fullmatch(text)
    if parts is None:
        raise ValueError("expected a bcrypt hash, as `htpasswd -nB` makes them")
    if int(parts["cost"]) not in _COSTS:
        raise ValueError(
            f"expected a cost from {_COSTS[0]} to {_COSTS[-1]}, found {int(parts['cost'])}"
        )
    try:
        bcrypt.hashpw(b"", f"$2b$04${parts['salt']}".encode())
    except ValueError:
        raise ValueError("expected a bcrypt hash, found one with a salt that is none") from None
    return text


def _header(value: str) -> str:
    if not _HEADER_VALUE.fullmatch(value):
        raise ValueError("expected one line of ASCII")
    return value


_Header: TypeAlias = Annotated[str, AfterValidator(_header)]
_User: TypeAlias = Annotated[str, AfterValidator(_user)]
_Hash: TypeAlias = Annotated[str, AfterValidator(_hash)]
_Text: TypeAlias = Annotated[str, Field(min_length=1)]


class _TlsSection(Section):
    cert: _Text = ""
    cert_file: FilePath | None = None
    key: _Text = ""
    key_file: FilePath | None = None
    client_ca: _Text = ""
    client_ca_file: FilePath | None = None
    client_auth_type: ClientAuth = ClientAuth.NONE
    client_allowed_sans: frozenset[_Text] = frozenset()
    min_version: Version = "TLS12"
    max_version: Version | None = None
    cipher_suites: tuple[Cipher, ...] = ()
    curve_preferences: tuple[Curve, ...] = ()
    prefer_server_cipher_suites: TruthValue = True

    def tls(self) -> Tls:
        """Return the settings."""
        return Tls(
            cert=Pem(text=self.cert, file=self.cert_file),
            key=Pem(text=self.key, file=self.key_file),
            client_ca=Pem(text=self.client_ca, file=self.client_ca_file),
            client_auth=self.client_auth_type,
            client_names=self.client_allowed_sans,
            min_version=self.min_version,
            max_version=self.max_version,
            ciphers=self.cipher_suites,
            curves=self.curve_preferences,
            own_order_of_ciphers=self.prefer_server_cipher_suites,
        )


def _no_http2(value: object) -> bool:
    if truth(value):
        raise ValueError("expected false, as HTTP/1.1 is what is spoken here")
    return False


class _HeadersSection(Section):
    """Those that Prometheus lets through."""

    content_security_policy: _Header | None = Field(default=None, alias="Content-Security-Policy")
    strict_transport_security: _Header | None = Field(
        default=None, alias="Strict-Transport-Security"
    )
    x_content_type_options: Literal["nosniff"] | None = Field(
        default=None, alias="X-Content-Type-Options"
    )
    x_frame_options: Literal["deny", "sameorigin"] | None = Field(
        default=None, alias="X-Frame-Options"
    )
    x_xss_protection: _Header | None = Field(default=None, alias="X-XSS-Protection")


class _HttpSection(Section):
    http2: Annotated[bool, BeforeValidator(_no_http2)] = False
    headers: _HeadersSection = _HeadersSection()


_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_LONGEST_SECONDS = 8760 * 3600.0
_PART = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ns|us|µs|ms|s|m|h)", re.ASCII)


def _interval(text: object) -> timedelta:
    if text == "0":
        return timedelta()
    parts = _PART.findall(text) if isinstance(text, str) else []
    if not parts or "".join(map("".join, parts)) != text:
        raise expected("a length of time such as 100ms, 1s or 1m30s", text)
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if seconds > _LONGEST_SECONDS:
        raise expected("a length of time up to 8760h", text)
    return timedelta(seconds=seconds)


class _RateSection(Section):
    interval: Annotated[timedelta, BeforeValidator(_interval)] = timedelta()
    burst: Whole = 1

    def limit(self) -> RateLimit | None:
        """Return none for an interval of 0, which limits nothing."""
        if not self.interval:
            return None
        return RateLimit(per_second=1 / self.interval.total_seconds(), burst=self.burst)


class _File(Section):
    tls_server_config: _TlsSection | None = None
    basic_auth_users: dict[_User, _Hash] = Field(default={})
    http_server_config: _HttpSection = _HttpSection()
    rate_limit: _RateSection = _RateSection()


def load(file: Path) -> WebConfig:
    """Read the file and the certificates that it names, or raise `WebConfigError`."""
    errors = ErrorList()
    form = shape(_File, parse(read(file, errors) or "", errors) or {}, errors, file.parent)
    section = form.tls_server_config
    tls = None if section is None or errors else section.tls()
    context = None if tls is None else tls.context(errors)
    if errors:
        raise WebConfigError(errors.texts(), file, errors.lines())
    return WebConfig(
        tls=context,
        client_names=frozenset() if tls is None else tls.client_names,
        rate_limit=form.rate_limit.limit(),
        users=form.basic_auth_users,
        headers=form.http_server_config.headers.model_dump(by_alias=True, exclude_none=True),
        files=() if tls is None else tls.files,
    )
