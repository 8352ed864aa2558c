"""Certificates -> the context of TLS handshakes."""

import os
import ssl
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Literal, TypeAlias

from exporter.documents import ErrorList

Version: TypeAlias = Literal["TLS10", "TLS11", "TLS12", "TLS13"]

_VERSIONS: Mapping[Version, ssl.TLSVersion] = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}


Cipher: TypeAlias = Literal[
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
]
"""Those that Go knows and calls safe."""

# What OpenSSL calls them. The three of TLS 1.3 cannot be chosen among, neither there nor here.
_CIPHERS: Mapping[str, str] = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
}

Curve: TypeAlias = Literal["CurveP256", "CurveP384", "CurveP521", "X25519"]

_CURVES: Mapping[Curve, str] = {
    "CurveP256": "prime256v1",
    "CurveP384": "secp384r1",
    "CurveP521": "secp521r1",
    "X25519": "X25519",
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

# Keys, and what is wrong with them.
_NOT_A_PAIR = ("cert_file", "expected a certificate and key_file its unencrypted key, both in PEM")
_UNUSABLE: Mapping[str | None, tuple[str, str]] = {
    "KEY_VALUES_MISMATCH": ("key_file", "expected the key of the certificate, found another's"),
    "NO_CERTIFICATE_OR_CRL_FOUND": ("client_ca_file", "expected certificates in PEM, found none"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pem:
    """A certificate or a key: in a file that can be opened as given, inline, or not there."""

    file: Path | None = None
    text: str = ""

    def __bool__(self) -> bool:
        """Return whether there is one."""
        return self.file is not None or bool(self.text)

    @contextmanager
    def path(self) -> Iterator[Path]:
        """Yield a path that OpenSSL can open; what is inline lies in memory, in no directory."""
        if self.file is not None:
            yield self.file
            return
        with os.fdopen(os.memfd_create("pem"), "wb") as inline:
            inline.write(self.text.encode())
            inline.flush()
            yield Path(f"/proc/self/fd/{inline.fileno()}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Which certificate to show, and what to ask of clients."""

    cert: Pem
    key: Pem
    client_ca: Pem
    client_auth: ClientAuth
    client_names: frozenset[str] = frozenset()
    """Of which a client's certificate has to name one; none: it may name anybody."""
    min_version: Version
    max_version: Version | None = None
    ciphers: Sequence[Cipher] = ()
    curves: Sequence[Curve] = ()
    own_order_of_ciphers: bool = True

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that the context is made of."""
        return tuple(filter(None, (self.cert.file, self.key.file, self.client_ca.file)))

    def context(self, errors: ErrorList) -> ssl.SSLContext | None:
        """Read the files; None if they are invalid, as `errors` then lists by key."""
        for place, text in chain(
            self._source_errors(), self._client_auth_errors(), self._choice_errors()
        ):
            errors.add(("tls_server_config", place), text)
        if errors:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["http/1.1"])
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            context.minimum_version = _VERSIONS[self.min_version]  # an old one is a wish
            if self.max_version is not None:
                context.maximum_version = _VERSIONS[self.max_version]
        if not self.own_order_of_ciphers:
            context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
        if names := self._openssl_ciphers():
            context.set_ciphers(":".join(names))
        for curve in self.curves:
            context.set_ecdh_curve(_CURVES[curve])
        try:
            with self.cert.path() as cert, self.key.path() as key:
                # With a password given, an encrypted key is an error, not a question on a terminal.
                context.load_cert_chain(cert, key, password="")
            if self.client_ca:
                with self.client_ca.path() as client_ca:
                    context.load_verify_locations(client_ca)
        except ssl.SSLError as error:
            place, text = _UNUSABLE.get(error.reason, _NOT_A_PAIR)
            errors.add(("tls_server_config", place), text)
            return None
        # As in Go, what stands in client_ca_file is trusted itself, an intermediate too.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.verify_mode = _VERIFICATION[self.client_auth]
        return context

    def _openssl_ciphers(self) -> list[str]:
        return [_CIPHERS[name] for name in self.ciphers if name in _CIPHERS]

    def _source_errors(self) -> Iterator[tuple[str, str]]:
        for key, pem in (("cert", self.cert), ("key", self.key), ("client_ca", self.client_ca)):
            if not pem and key != "client_ca":
                yield f"{key}_file", "expected a value, found no such key"
            if pem.file is not None and pem.text:
                yield key, f"expected without {key}_file, found both"
            elif pem.file is not None:
                try:
                    pem.file.read_bytes()
                except OSError as error:
                    yield f"{key}_file", f"{pem.file} cannot be read: {error.strerror}"

    def _client_auth_errors(self) -> Iterator[tuple[str, str]]:
        verified, given = ClientAuth.REQUIRE_AND_VERIFY, self.client_auth
        if self.client_names and given is not verified:
            yield "client_allowed_sans", f"expected with {verified}"
        if given is ClientAuth.REQUIRE_ANY:
            why = f"as a certificate that nobody verifies proves nothing; {verified} is"
            yield "client_auth_type", f"{given} is not supported, {why}"
        elif _VERIFICATION[given] is ssl.CERT_NONE:
            if given is ClientAuth.NONE and self.client_ca:
                yield "client_auth_type", "expected with client_ca_file, found no such key"
        elif not self.client_ca:
            yield "client_ca_file", f"expected with {given}, found no such key"

    def _choice_errors(self) -> Iterator[tuple[str, str]]:
        least, most = self.min_version, self.max_version
        if most is not None and most < least:
            yield "max_version", f"expected at least min_version ({least}), found {most}"
        if self.ciphers and not self._openssl_ciphers() and least != "TLS13":
            yield "cipher_suites", "expected one of TLS 1.2 among them, or min_version: TLS13"
        if len(self.curves) > 1:
            yield "curve_preferences", "expected one curve, as OpenSSL is told of one here"
