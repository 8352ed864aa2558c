"""Request bodies: from what a dialog posts to rows, with KPIggybank's words for what is none."""

from collections.abc import Sequence
from email.message import Message
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

import msgspec

from exporter.domain.identity import usable_id
from exporter.domain.interaction import Row

MALFORMED = "Malformed POST, unable to parse JSON."
SYNTAX_ERROR = "JSON syntax error"
INVALID = "invalid"

_FORM = "application/x-www-form-urlencoded"
_JSON = ("application/json", "text/plain")
_NOT_JSON = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)
_decode_raws = msgspec.json.Decoder(list[msgspec.Raw]).decode


class UnreadableBody(Exception):
    """The body holds no interactions; the message is the answer."""


def read_rows(body: bytes, content_type: str) -> Sequence[Row]:
    """Return the blobs of a body as rows, each with the id that it brings, or a new one.

    As with KPIggybank, the first blob has to have a timestamp; what the others are is for the
    definitions to judge. Raises `UnreadableBody`.
    """
    text = _json_text(body, content_type)
    try:
        posted = msgspec.json.decode(text)
        raws = [bytes(raw) for raw in _decode_raws(text)] if isinstance(posted, list) else [text]
    except _NOT_JSON:
        raise UnreadableBody(SYNTAX_ERROR) from None
    blobs = posted if isinstance(posted, list) else [posted]
    if blobs and blobs[0] is None:  # of null, KPIggybank could not even ask for the timestamp
        raise UnreadableBody(SYNTAX_ERROR)
    if not blobs or not isinstance(blobs[0], dict) or not blobs[0].get("timestamp"):
        raise UnreadableBody(INVALID)
    return [Row(_id(blob), raw) for blob, raw in zip(blobs, raws, strict=True)]


def _json_text(body: bytes, content_type: str) -> bytes:
    kind = _media_type(content_type)
    if kind in _JSON:
        return body
    if kind != _FORM:
        raise UnreadableBody(MALFORMED)
    # Byte by byte: of bytes, parse_qs takes ASCII alone.
    found = parse_qs(body.decode("latin-1"), encoding="latin-1").get("data")
    if not found:
        raise UnreadableBody(MALFORMED)
    return found[0].encode("latin-1")


def _media_type(content_type: str) -> str:
    message = Message()
    message["Content-Type"] = content_type
    return message.get_content_type() if content_type else ""


def _id(blob: Any) -> str:
    given = blob.get("_id") if isinstance(blob, dict) else None
    return usable_id(given) if isinstance(given, str) and given else uuid4().hex
