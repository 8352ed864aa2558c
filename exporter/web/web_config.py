"""The file of `--web.config.file`: its form, and what is made of it. See docs/how-to/tls.md."""

import re
import ssl
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import bcrypt
import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from exporter.web.rate import RateLimit
from exporter.web.tls import Cipher, ClientAuth, Curve, Pem, Tls, Version

_BCRYPT = re.compile(r"\$2[aby]\$(?P<cost>[0-9]{2})\$(?P<salt>[./A-Za-z0-9]{22})[./A-Za-z0-9]{31}")
_COSTS = range(4, 16)  # 15 is a matter of seconds, and each step doubles it
_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")

# Those that Prometheus lets through, and the values of those that have few.
_HEADERS: Mapping[str, tuple[str, ...]] = {
    "Content-Security-Policy": (),
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
}


class WebConfigError(Exception):
    """The file cannot be used; `errors` say what is wrong and where, without a secret."""

    def __init__(self, file: Path, errors: Sequence[str]) -> None:
        super().__init__("\n".join(f"{file}: {error}" for error in errors))
        self.errors = tuple(errors)


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


def load(file: Path) -> WebConfig:
    """Read the file and the certificates that it names, or raise `WebConfigError`."""
    try:
        document = yaml.load(file.read_bytes(), Loader=_Loader)  # noqa: S506 -- it is a safe one
        form = _File.model_validate({} if document is None else document)
    except OSError as error:
        raise WebConfigError(file, [f"cannot be read: {error.strerror}"]) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise WebConfigError(file, [_place(error)]) from None
    except ValidationError as invalid:
        raise WebConfigError(
            file, [_words(error) for error in invalid.errors(include_url=False)]
        ) from None
    section = form.tls_server_config
    tls = None if section is None else section.beside(file)
    errors: list[str] = []
    context = None if tls is None else tls.context(errors)
    if errors:
        raise WebConfigError(file, [f"tls_server_config.{error}" for error in errors])
    return WebConfig(
        tls=context,
        client_names=frozenset() if tls is None else tls.client_names,
        rate_limit=form.rate_limit.limit(),
        users=form.basic_auth_users,
        headers=form.http_server_config.headers,
        files=() if tls is None else tls.files,
    )


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


def _headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if name not in _HEADERS:
            raise ValueError(f"{name}: expected one of {', '.join(_HEADERS)}")
        if _HEADERS[name] and value not in _HEADERS[name]:
            raise ValueError(f"{name}: expected {' or '.join(_HEADERS[name])}")
        if not _HEADER_VALUE.fullmatch(value):
            raise ValueError(f"{name}: expected one line of ASCII")
    return headers


_Text: TypeAlias = Annotated[str, Field(min_length=1)]


class _Section(BaseModel):
    """A mapping in the file; keys that it does not have are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def _yes_or_no(value: object) -> bool:
    if value not in {"true", "false"}:
        raise ValueError("expected true or false")
    return value == "true"


class _TlsSection(_Section):
    cert: _Text = ""
    cert_file: _Text = ""
    key: _Text = ""
    key_file: _Text = ""
    client_ca: _Text = ""
    client_ca_file: _Text = ""
    client_auth_type: ClientAuth = ClientAuth.NONE
    client_allowed_sans: frozenset[_Text] = frozenset()
    min_version: Version = "TLS12"
    max_version: Version | None = None
    cipher_suites: tuple[Cipher, ...] = ()
    curve_preferences: tuple[Curve, ...] = ()
    prefer_server_cipher_suites: Annotated[bool, BeforeValidator(_yes_or_no)] = True

    def beside(self, file: Path) -> Tls:
        """Return the settings, relative paths starting where the file stands."""

        def pem(text: str, name: str) -> Pem:
            return Pem(text=text, file=file.parent / name if name else None)

        return Tls(
            cert=pem(self.cert, self.cert_file),
            key=pem(self.key, self.key_file),
            client_ca=pem(self.client_ca, self.client_ca_file),
            client_auth=self.client_auth_type,
            client_names=self.client_allowed_sans,
            min_version=self.min_version,
            max_version=self.max_version,
            ciphers=self.cipher_suites,
            curves=self.curve_preferences,
            own_order_of_ciphers=self.prefer_server_cipher_suites,
        )


def _no_http2(value: object) -> bool:
    if value != "false":
        raise ValueError("expected false, as HTTP/1.1 is what is spoken here")
    return False


class _HttpSection(_Section):
    http2: Annotated[bool, BeforeValidator(_no_http2)] = False
    headers: Annotated[dict[str, str], AfterValidator(_headers)] = {}


_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ns|us|µs|ms|s|m|h)", re.ASCII)


def _interval(text: object) -> timedelta:
    if text == "0":
        return timedelta()
    parts = _PART.findall(text) if isinstance(text, str) else []
    if not parts or "".join(map("".join, parts)) != text:
        raise ValueError("expected a length of time, as 100ms, 1s or 1m30s")
    return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))


def _burst(text: object) -> int:
    if not (
        isinstance(text, str) and text.isascii() and text.isdecimal() and 0 < int(text) < 10**9
    ):
        raise ValueError("expected a whole number, 1 or more")
    return int(text)


class _RateSection(_Section):
    interval: Annotated[timedelta, BeforeValidator(_interval)] = timedelta()
    burst: Annotated[int, BeforeValidator(_burst)] = 1

    def limit(self) -> RateLimit | None:
        """Return none for an interval of 0, which limits nothing."""
        if not self.interval:
            return None
        return RateLimit(per_second=1 / self.interval.total_seconds(), burst=self.burst)


class _File(_Section):
    tls_server_config: _TlsSection | None = None
    basic_auth_users: dict[
        Annotated[str, AfterValidator(_user)], Annotated[str, AfterValidator(_hash)]
    ] = {}
    http_server_config: _HttpSection = _HttpSection()
    rate_limit: _RateSection = _RateSection()


class _Loader(yaml.BaseLoader):
    """Takes every scalar for the text that it is, and no key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 -- PyYAML's
        seen: set[object] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, "expected a key once, found it again", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _place(error: yaml.YAMLError | RecursionError) -> str:
    """Return where YAML ends, without quoting what may be a secret."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        found = re.sub(r"'[^']{3,}'", "'...'", error.problem or "")
        return f"line {mark.line + 1}, column {mark.column + 1}: {found}"
    return "expected YAML in UTF-8"


def _words(error: ErrorDetails) -> str:
    path = ".".join(str(part) for part in error["loc"] if part != "[key]")
    match error["type"]:
        case "extra_forbidden":
            words = "unknown key"
        case "missing":
            words = "expected a value, found no such key"
        case "enum" | "literal_error":
            words = f"expected {error['ctx']['expected']}"
        case "model_type" | "dict_type" | "model_attributes_type":
            words = "expected keys with values"
        case "tuple_type" | "frozen_set_type":
            words = "expected a list"
        case "value_error":
            words = str(error["ctx"]["error"])
        case _:
            words = "expected a text"
    return f"{path}: {words}" if path else words
