"""A stored blob, and the rows that each backend makes of it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from fake_server import blob as blobs
from fake_server.crowd import Plan

_ID_BITS: Final = (1 << 128) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A blob, as it is handed to a store."""

    id: str
    """CouchDB's `_id`; KPIggybank's own are 32 hexadecimal digits."""
    timestamp: Any
    """As it stands in the blob; None if there is none."""
    blob: str
    """A JSON object, without `_id` and `_rev`."""

    @property
    def oddity(self) -> str:
        """The 40 hexadecimal digits by which the memory backend knows the blob."""
        return hashlib.sha1(self.id.encode(), usedforsecurity=False).hexdigest()

    def revision(self, number: int) -> str:
        """Return CouchDB's `_rev` for the blob's so many-th revision."""
        digest = hashlib.md5(self.blob.encode("utf-8", "replace"), usedforsecurity=False)
        return f"{number}-{digest.hexdigest()}"

    def couchdb_document(self, revision: int = 1) -> str:
        """Return the blob as CouchDB stores it."""
        identity = f'"_id":{compact(self.id)},"_rev":"{self.revision(revision)}"'
        return _with_members(self.blob, before=identity)

    def couchdb_row(self, revision: int = 1) -> bytes:
        """Return the row of the view by timestamp."""
        document = self.couchdb_document(revision)
        key = compact(self.timestamp)
        return utf8(f'{{"id":{compact(self.id)},"key":{key},"value":{document}}}')

    def memory_row(self) -> bytes:
        """Return the blob alone, with the property whose name and value are the same."""
        return utf8(_with_members(self.blob, after=f'"{self.oddity}":"{self.oddity}"'))


def from_plan(plan: Plan) -> Record:
    """Write the blob of a plan."""
    timestamp: int | str | None = plan.timestamp_ms
    if plan.timestamp_as != "number":
        timestamp = str(timestamp) if plan.timestamp_as == "string" else None
    return Record(id=f"{plan.number & _ID_BITS:032x}", timestamp=timestamp, blob=blobs.write(plan))


def from_blob(blob: Mapping[str, Any], *, number: int) -> Record:
    """Create a row of a blob as it was posted; `number` tells blobs without an `_id` apart."""
    bare = {name: value for name, value in blob.items() if name not in {"_id", "_rev"}}
    text = compact(bare)
    made = hashlib.md5(f"{number}{text}".encode("utf-8", "replace"), usedforsecurity=False)
    return Record(
        id=str(blob.get("_id") or made.hexdigest()), timestamp=blob.get("timestamp"), blob=text
    )


def compact(value: object) -> str:
    """Return JSON as JavaScript writes it: nothing between tokens, text as it is."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def utf8(text: str) -> bytes:
    """Encode; a lone surrogate, which UTF-8 has no bytes for, becomes its JSON escape."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="backslashreplace")


def _with_members(blob: str, *, before: str = "", after: str = "") -> str:
    return f"{{{','.join(filter(None, (before, blob[1:-1], after)))}}}"
