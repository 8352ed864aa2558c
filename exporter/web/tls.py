"""Certificates -> the context of TLS handshakes."""

import ssl
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal, TypeAlias

Version: TypeAlias = Literal["TLS10", "TLS11", "TLS12", "TLS13"]

_VERSIONS: Mapping[Version, ssl.TLSVersion] = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}


class ClientAuth(StrEnum):
    """What is asked of clients, by Go's names."""

    NONE = "NoClientCert"
    REQUEST = "RequestClientCert"
    REQUIRE_ANY = "RequireAnyClientCert"
    VERIFY_IF_GIVEN = "VerifyClientCertIfGiven"
    REQUIRE_AND_VERIFY = "RequireAndVerifyClientCert"


# To request a certificate that nobody verifies, or looks at, is to request none.
_VERIFICATION: Mapping[ClientAuth, ssl.VerifyMode] = {
    ClientAuth.NONE: ssl.CERT_NONE,
    ClientAuth.REQUEST: ssl.CERT_NONE,
    ClientAuth.VERIFY_IF_GIVEN: ssl.CERT_OPTIONAL,
    ClientAuth.REQUIRE_AND_VERIFY: ssl.CERT_REQUIRED,
}

_NOT_A_PAIR = "cert_file, key_file: expected a certificate and its unencrypted key, both in PEM"
_UNUSABLE: Mapping[str | None, str] = {
    "KEY_VALUES_MISMATCH": "key_file: expected the key of the certificate, found another's",
    "NO_CERTIFICATE_OR_CRL_FOUND": "client_ca_file: expected certificates in PEM, found none",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Which certificate to show, and what to ask of clients; all paths can be opened as given."""

    cert_file: Path
    key_file: Path
    client_ca_file: Path | None
    client_auth: ClientAuth
    min_version: Version
    max_version: Version | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that the context is made of."""
        return tuple(filter(None, (self.cert_file, self.key_file, self.client_ca_file)))

    def context(self, errors: list[str]) -> ssl.SSLContext | None:
        """Read the files; None if they are invalid, which `errors` then says by key."""
        found = [*self._client_auth_errors(), *self._version_errors(), *self._file_errors()]
        errors.extend(found)
        if found:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["http/1.1"])
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            context.minimum_version = _VERSIONS[self.min_version]  # an old one is a wish
            if self.max_version is not None:
                context.maximum_version = _VERSIONS[self.max_version]
        try:
            # With a password given, an encrypted key is an error, not a question on a terminal.
            context.load_cert_chain(self.cert_file, self.key_file, password="")
            if self.client_ca_file is not None:
                context.load_verify_locations(self.client_ca_file)
        except ssl.SSLError as error:
            errors.append(_UNUSABLE.get(error.reason, _NOT_A_PAIR))
            return None
        # As in Go, what stands in client_ca_file is trusted itself, an intermediate too.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.verify_mode = _VERIFICATION[self.client_auth]
        return context

    def _client_auth_errors(self) -> Iterator[str]:
        if self.client_auth is ClientAuth.REQUIRE_ANY:
            yield (
                f"client_auth_type: {self.client_auth} is not supported, as a certificate that"
                f" nobody verifies proves nothing; {ClientAuth.REQUIRE_AND_VERIFY} is"
            )
        elif _VERIFICATION[self.client_auth] is ssl.CERT_NONE:
            if self.client_auth is ClientAuth.NONE and self.client_ca_file is not None:
                yield "client_auth_type: expected with client_ca_file, found no such key"
        elif self.client_ca_file is None:
            yield f"client_ca_file: expected with {self.client_auth}, found no such key"

    def _version_errors(self) -> Iterator[str]:
        if self.max_version is not None and self.max_version < self.min_version:
            yield (
                f"max_version: expected at least min_version ({self.min_version}),"
                f" found {self.max_version}"
            )

    def _file_errors(self) -> Iterator[str]:
        for key, file in (
            ("cert_file", self.cert_file),
            ("key_file", self.key_file),
            ("client_ca_file", self.client_ca_file),
        ):
            if file is not None:
                try:
                    file.read_bytes()
                except OSError as error:
                    yield f"{key}: {file} cannot be read: {error.strerror}"
