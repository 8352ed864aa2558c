"""Addresses to listen on, as the configuration and the command line have them."""

import re

FORMS = "host:port, [address]:port or :port"
_LISTEN = re.compile(r"(?P<host>[^\s:\[\]]*|\[[0-9A-Fa-f:.%]+\]):(?P<port>[0-9]{1,5})")
_LARGEST_PORT = 65_535


class ListenError(Exception):
    """The address cannot be listened on; the message names it and says why."""


def host_and_port(listen: str) -> tuple[str, int]:
    """Return host, without brackets and empty for every address, and port. Raises `ValueError`."""
    match = _LISTEN.fullmatch(listen)
    if match is None or int(match["port"]) > _LARGEST_PORT:
        raise ValueError(f"expected {FORMS}")
    return match["host"].strip("[]"), int(match["port"])
