"""Certificates -> the context of TLS handshakes."""

import ssl
import warnings
from collections.abc import Mapping
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Which certificate to show, and what to ask of clients; all paths can be opened as given."""

    cert_file: Path
    key_file: Path
    client_ca_file: Path | None
    client_auth: ClientAuth
    min_version: Version

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that the context is made of."""
        return tuple(filter(None, (self.cert_file, self.key_file, self.client_ca_file)))

    def context(self, problems: list[str]) -> ssl.SSLContext | None:
        """Read the files; None if they cannot be used, which `problems` then says by key."""
        before = len(problems)
        self._check_client_auth(problems)
        self._check_files(problems)
        if len(problems) > before:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["http/1.1"])
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            context.minimum_version = _VERSIONS[self.min_version]  # old ones only on request
        try:
            # With a password given, an encrypted key is an error and not a question on a terminal.
            context.load_cert_chain(self.cert_file, self.key_file, password="")
        except ssl.SSLError as error:
            problems.append(f"key_file: expected the certificate's key, unencrypted: {_said(error)}")
        if self.client_ca_file is not None:
            try:
                context.load_verify_locations(self.client_ca_file)
            except ssl.SSLError as error:
                problems.append(f"client_ca_file: expected certificates: {_said(error)}")
        # As Go does: whatever stands in client_ca_file is trusted, an intermediate too.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.verify_mode = _VERIFICATION[self.client_auth]
        return None if len(problems) > before else context
