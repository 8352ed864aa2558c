"""Listening sockets: those of an address, and those that systemd opened."""

import errno
import os
import socket
from collections.abc import Mapping

from exporter.addresses import ListenError, host_and_port
from exporter.web.file_descriptors import Listener

COLLECT = "collect"
"""The `FileDescriptorName=` of the socket that interactions are posted to."""

_BACKLOG = 128  # connections that wait to be accepted
_FIRST_INHERITED = 3  # after standard input, output and error: sd_listen_fds(3)


def bind(listen: str) -> Listener:
    """Listen on `host:port`, `[address]:port` or `:port`, which is every address."""
    try:
        host, port = host_and_port(listen)
    except ValueError as error:
        raise ListenError(f"cannot listen on {listen!r}: {error}") from error
    try:
        if host or not socket.has_dualstack_ipv6():
            family, *_, address = socket.getaddrinfo(
                host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            listening = socket.create_server(address[:2], family=family, backlog=_BACKLOG)
        else:
            listening = socket.create_server(
                ("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=_BACKLOG
            )
    except socket.gaierror as error:
        raise ListenError(f"cannot listen on {listen}: {error.strerror}") from error
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        hint = "; --web.listen-address names another" if error.errno == errno.EADDRINUSE else ""
        raise ListenError(f"cannot listen on {listen}: {reason}{hint}") from error
    return _listener(listening.detach())


def inherited(environ: Mapping[str, str], *, collect: bool) -> list[Listener]:
    """Return the sockets that systemd opened: that of collecting, or all others.

    While the exporter restarts, connections wait in them instead of being refused. Raises
    `ListenError` for one that is no TCP socket.
    """
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    count = int(environ.get("LISTEN_FDS", "0"))
    names += [""] * (count - len(names))
    return [
        _listener(_FIRST_INHERITED + number)
        for number, name in enumerate(names[:count])
        if (name == COLLECT) == collect
    ]


def _listener(descriptor: int) -> Listener:
    listener = Listener(fileno=descriptor)
    if listener.family not in {socket.AF_INET, socket.AF_INET6}:
        raise ListenError(f"cannot listen on {listener.getsockname()}: expected a TCP socket")
    listener.settimeout(0)
    return listener


def written(listening: socket.socket) -> str:
    """Return the `host:port` that a socket listens on."""
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
