"""Basic authentication: bcrypt off the event loop, each credential checked once."""

import asyncio
import base64
import secrets
from collections import Counter, OrderedDict
from collections.abc import Mapping
from hashlib import blake2b
from typing import TypeAlias

import bcrypt

from exporter.web.executor import BoundedExecutor, QueueFull

_IN_LINE = 64  # different credentials of one line that may wait for their check
_IN_LINES = 256  # and of all lines: fewer than there are connections
_BCRYPT_READS = 72  # bytes of a password; what follows never counted
_NOBODY = "$2b${cost:02}$" + "." * 53  # well-formed, and no password is known to match it

_Line: TypeAlias = tuple[str, str]  # an address, and the name of a user or nothing


class Authenticator:
    """Authenticates users.

    A check by bcrypt takes as long as it takes to keep guessers out, for a name that does not
    exist too. Its outcome is remembered, under a digest with a key that lives as long as the
    process, so that a scrape pays once. Wrong credentials are remembered apart from right
    ones: a flood of them crowds out no user. `remembered` is how many of each.

    Each address has a line of its own for each user's name, and one for names that do not exist.
    The lines take turns, a check at a time, and who waits is served in order: guessers shut out
    neither another address nor a user beside them. To be used on one event loop.
    """

    def __init__(self, workers: BoundedExecutor, *, remembered: int = 1024) -> None:
        self._workers = workers
        self._remembered = remembered
        self._users: Mapping[str, str] = {}
        self._nobody = ""
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._wrong: OrderedDict[bytes, None] = OrderedDict()
        self._checks: dict[bytes, asyncio.Task[bool]] = {}
        self._lines: dict[_Line, asyncio.Lock] = {}
        self._in_line: Counter[_Line] = Counter()

    def set_users(self, users: Mapping[str, str]) -> None:
        """Set whom to admit from now on, by name and bcrypt hash; everybody if there are none."""
        self._users = users
        cost = max((int(text.split("$")[2]) for text in users.values()), default=4)
        self._nobody = _NOBODY.format(cost=cost)

    async def authenticate(self, authorization: str, address: str) -> bool:
        """Return whether a request with this header, from this address, may pass.

        Raises `QueueFull` when there are too many others to check.
        """
        if not self._users:
            return True
        credentials = _credentials(authorization)
        if credentials is None:
            return False
        name, password = credentials
        hashed = self._users.get(name, self._nobody)
        digest = self._digest(name.encode(), hashed.encode(), password)
        if digest in self._right:
            self._right.move_to_end(digest)
            return True
        if digest in self._wrong:
            return False
        check = self._checks.get(digest)
        if check is None:
            line = address, name if name in self._users else ""
            if self._in_line[line] >= _IN_LINE or len(self._checks) >= _IN_LINES:
                raise QueueFull
            self._in_line[line] += 1
            check = asyncio.create_task(self._check(digest, hashed, password, line))
            self._checks[digest] = check
        return await asyncio.shield(check) and name in self._users

    async def _check(self, digest: bytes, hashed: str, password: bytes, line: _Line) -> bool:
        turn = self._lines.setdefault(line, asyncio.Lock())
        try:
            async with turn:
                right = await self._workers.run(lambda: _matches(password, hashed))
        finally:
            del self._checks[digest]
            self._in_line[line] -= 1
            if not self._in_line[line]:
                del self._in_line[line], self._lines[line]
        outcomes = self._right if right else self._wrong
        outcomes[digest] = None
        if len(outcomes) > self._remembered:
            outcomes.popitem(last=False)
        return right

    def _digest(self, *parts: bytes) -> bytes:
        digest = blake2b(key=self._key)
        for part in parts:
            digest.update(len(part).to_bytes(4, "big"))
            digest.update(part)
        return digest.digest()


def _credentials(authorization: str) -> tuple[str, bytes] | None:
    """Parse an `Authorization` header; None if it holds no name and password."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
        return (name.decode(), password) if colon else None
    except ValueError:
        return None


def _matches(password: bytes, hashed: str) -> bool:
    return bcrypt.checkpw(password[:_BCRYPT_READS], hashed.encode())
