"""Ids of interactions: those that they bring, where any store can hold them, else a digest."""

from hashlib import blake2b


def usable_id(id_: str) -> str:
    """Return an id as it is, unless it holds a NUL, where SQLite's JSON takes a text to end."""
    return digest(id_.encode()) if "\0" in id_ else id_


def digest(content: bytes) -> str:
    """Return an id that the same content always has."""
    return blake2b(content, digest_size=20).hexdigest()
