"""Rows that this process knows to be stored: an import's overlap costs no request."""

from collections.abc import Iterable

GENERATION = 75_000  # rows; of the older half or of this many more is known, in some 20 MB


class DedupCache:
    """The content in which rows were last seen stored, for the newest of them.

    Another exporter may have replaced a row since, and the source may have gone back: then
    that exporter sees it go back as well, and the row comes right by its import.
    """

    def __init__(self) -> None:
        self._newer: dict[int, int] = {}
        self._older: dict[int, int] = {}

    def knows(self, id_: str, raw: bytes) -> bool:
        """Return whether a row is known to be stored with this content."""
        key = hash(id_)
        content = self._newer.get(key)
        if content is None:
            content = self._older.get(key)
        return content == hash(raw)

    def see(self, rows: Iterable[tuple[str, bytes]]) -> None:
        """Add rows that are stored."""
        for id_, raw in rows:
            self._newer[hash(id_)] = hash(raw)
            if len(self._newer) > GENERATION:
                self._newer, self._older = {}, self._newer
