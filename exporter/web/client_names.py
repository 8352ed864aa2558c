"""Whom the certificate of a client names."""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any


def client_names(certificate: Mapping[str, Any] | None) -> frozenset[str]:
    """Return the subject's alternative names, as Go writes them.

    Hosts, mail and IP addresses, URIs. `certificate` is what `ssl.SSLSocket.getpeercert` returns.
    """
    return frozenset(
        str(ip_address(name.strip())) if kind == "IP Address" else name
        for kind, name in (certificate or {}).get("subjectAltName", ())
        if kind in {"DNS", "email", "IP Address", "URI"}
    )
