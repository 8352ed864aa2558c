"""What KPIggybank says to each request, and what the faults make of it before it is sent."""

import json
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs

from fake_server.faults import GARBAGE, Fault, change_rows, changes_rows
from fake_server.holdings import Holdings
from fake_server.messages import HTML, Answer, Request
from fake_server.store import joined, number_of, split

DATA: Final = "/wsapi/interaction_data"


def answer(request: Request, holdings: Holdings, met: Mapping[str, Fault], before: int) -> Answer:
    """Answer under the faults that are met, the path having been asked for `before` times."""
    if (replaced := _replaced(met, before)) is not None:
        return replaced
    match request.method, request.path:
        case "GET", "/wsapi/ping":
            return Answer(body=b"pong")
        case "GET", "/wsapi/interaction_data" if "id" in request.parameters:
            return Answer(body=holdings.one(request.parameters["id"]), rows=1)
        case "GET", "/wsapi/interaction_data":
            said = _range(request, holdings, met, before)
        case "GET", "/wsapi/interaction_data/count":
            said = _count(holdings, met, before)
        case "GET", "/wsapi/interaction_data/last":
            last = holdings.last()
            said = Answer(body=last, rows=1 if last else 0)
        case "GET", "/wsapi/interaction_data/stream":
            said = Answer(lines=holdings.feed.subscribe())
        case "POST", "/wsapi/interaction_data":
            said = _posted(request.body, holdings)
        case method, path:
            said = Answer(status=404, body=f"Cannot {method} {path}".encode(), headers=HTML)
    return said


def needs_view(request: Request) -> bool:
    """Return whether it is a range or a count, which come from a view that may have to be built."""
    paths = (DATA, f"{DATA}/count")
    return request.method == "GET" and request.path in paths and "id" not in request.parameters


def _replaced(met: Mapping[str, Fault], before: int) -> Answer | None:
    for fault in met.values():
        if fault.status is not None:
            return Answer(status=fault.status)
    if "redirect" in met:
        return Answer(status=302, headers=(("Location", f"http://elsewhere.invalid{DATA}"),))
    if "garbage" in met:
        return Answer(body=GARBAGE[before % 2], headers=() if before % 2 else HTML)
    return None


def _range(request: Request, holdings: Holdings, met: Mapping[str, Fault], before: int) -> Answer:
    found = holdings.between(request.parameters.get("start"), request.parameters.get("end"))
    if not changes_rows(met):
        return Answer(body=b"".join((b"[", joined(found), b"]")), rows=number_of(found))
    rows = change_rows(split(found), met, request=before)
    return Answer(body=b"[%b]" % b",".join(rows), rows=len(rows))


def _count(holdings: Holdings, met: Mapping[str, Fault], before: int) -> Answer:
    count = holdings.count()
    if count is None:
        return Answer(status=500)
    if "shrinking" in met:
        rows = list(split(holdings.between(None, None)))
        only = {"shrinking": met["shrinking"]}
        count -= len(rows) - len(change_rows(rows, only, request=before))
    if "wrong-count" in met:
        amount = int(met["wrong-count"].amount)
        count = max(0, count + (-amount if before % 2 else amount))
    return Answer(body=str(count).encode())


def _posted(body: bytes, holdings: Holdings) -> Answer:
    field = parse_qs(body.decode(errors="replace")).get("data")
    if not field:
        return _said(400, "Malformed POST, unable to parse JSON.")
    try:
        posted = json.loads(field[0], parse_constant=_refuse)
    except (ValueError, RecursionError):
        return _said(400, "JSON syntax error")
    blobs = posted if isinstance(posted, list) else [posted]
    if not blobs or not isinstance(blobs[0], dict) or not blobs[0].get("timestamp"):
        return _said(400, "invalid")
    # Only the first is looked at: what can be stored is, and what cannot makes it an error.
    good = [blob for blob in blobs if isinstance(blob, dict)]
    holdings.add(good)
    return _said(201, "ok") if len(good) == len(blobs) else _said(400, "invalid")


def _said(status: int, text: str) -> Answer:
    return Answer(status=status, body=text.encode(), headers=HTML)


def _refuse(constant: str) -> float:
    raise ValueError(constant)
