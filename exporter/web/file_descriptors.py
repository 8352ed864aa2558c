"""File descriptors: how many connections they allow, and what happens when there is none left."""

import errno
import resource
import socket
from collections.abc import Callable
from typing import Any

from typing_extensions import override

RESERVED = 96  # for the store, the source, files and threads, and connections being refused
MOST_CONNECTIONS = 512 + 1024  # of both sockets, that of collecting included
_FEWEST = 4
_NONE_LEFT = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


def allowed_connections(requested: int) -> int:
    """Return how many connections a socket may have: fewer than requested if few files may be open.

    The soft limit is raised as far as the hard one lets it be. What it leaves is divided in the
    proportion of what the sockets want.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = MOST_CONNECTIONS + RESERVED
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return shared(requested, soft)


def shared(requested: int, files: int) -> int:
    """Return a socket's share of the connections that so many open files allow."""
    if files == resource.RLIM_INFINITY:
        return requested
    return min(requested, max(_FEWEST, (files - RESERVED) * requested // MOST_CONNECTIONS))


class Listener(socket.socket):
    """A listening socket; calls `on_exhausted` when no file descriptor is left to accept with."""

    on_exhausted: Callable[[], None]

    @override
    def accept(self) -> tuple[socket.socket, Any]:
        try:
            return super().accept()
        except OSError as error:
            if error.errno not in _NONE_LEFT:
                raise
            self.on_exhausted()
            raise BlockingIOError from error  # as if none waited
