"""The file of `--web.config.file`: its form, and what is made of it. See docs/how-to/tls.md."""

import re
import ssl
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

import bcrypt
import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

_BCRYPT = re.compile(r"\$2[aby]\$(?P<cost>[0-9]{2})\$(?P<salt>[./A-Za-z0-9]{22})[./A-Za-z0-9]{31}")
_COSTS = range(4, 16)  # 15 takes seconds; each step more doubles it
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")

# Those that Prometheus' exporters let through, and the values of those that have few.
_HEADERS: Mapping[str, tuple[str, ...]] = {
    "Content-Security-Policy": (),
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
}
_VERSIONS: Mapping[str, ssl.TLSVersion] = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}


class WebConfigError(Exception):
    """The file cannot be used; `problems` say what is wrong and where, without a secret."""

    def __init__(self, file: Path, problems: Sequence[str]) -> None:
        super().__init__("\n".join(f"{file}: {problem}" for problem in problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebConfig:
    """How to serve: over TLS or not, to whom, and with which headers besides its own.

    `users` maps names to bcrypt hashes; where it is empty, everybody is served. `files` are
    those that `tls` was made of.
    """

    tls: ssl.SSLContext | None = None
    users: Mapping[str, bytes] = MappingProxyType({})
    headers: Mapping[str, str] = MappingProxyType({})
    files: tuple[Path, ...] = ()


class ClientAuth(StrEnum):
    """Go's names for what is asked of clients."""

    NONE = "NoClientCert"
    REQUEST = "RequestClientCert"
    REQUIRE_ANY = "RequireAnyClientCert"
    VERIFY_IF_GIVEN = "VerifyClientCertIfGiven"
    REQUIRE_AND_VERIFY = "RequireAndVerifyClientCert"


# Nothing here looks at a certificate that nobody verified: merely to request one asks for none.
_VERIFY: Mapping[ClientAuth, ssl.VerifyMode] = {
    ClientAuth.NONE: ssl.CERT_NONE,
    ClientAuth.REQUEST: ssl.CERT_NONE,
    ClientAuth.VERIFY_IF_GIVEN: ssl.CERT_OPTIONAL,
    ClientAuth.REQUIRE_AND_VERIFY: ssl.CERT_REQUIRED,
}


def load(file: Path) -> WebConfig:
    """Read the file and the certificates it names, or raise `WebConfigError`."""
    try:
        document = yaml.load(file.read_bytes(), Loader=_Loader)  # noqa: S506 -- a safe one
        sections = _File.model_validate({} if document is None else document)
    except OSError as error:
        raise WebConfigError(file, [f"cannot be read: {error.strerror}"]) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise WebConfigError(file, [_syntax(error)]) from None
    except ValidationError as errors:
        raise WebConfigError(
            file, [_words(error) for error in errors.errors(include_url=False)]
        ) from None
    tls = sections.tls_server_config
    if tls is None:
        context, files = None, ()
    else:
        files = tls.files(file.parent)
        context, problems = tls.context(file.parent)
        if problems:
            raise WebConfigError(file, [f"tls_server_config.{problem}" for problem in problems])
    return WebConfig(
        tls=context,
        users={name: text.encode() for name, text in sections.basic_auth_users.items()},
        headers=sections.http_server_config.headers,
        files=files,
    )


class _Section(BaseModel):
    """A mapping in the file; keys that it does not have are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
