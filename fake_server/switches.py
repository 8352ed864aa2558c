"""What the fake can be told and asked while it runs, on KPIggybank's own port.

====================================  ====================================================
``GET  /fake/stats``                  blobs stored; requests, rows and bytes by path; the
                                      ranges that were asked for, as they were written
``GET  /fake/faults``                 the faults that are on, as a JSON list
``POST /fake/faults``                 such a list: have these on, and no others
``GET  /fake/truth``                  the right counts of what is held now (`truth`)
``GET  /fake/truth?since=S&until=U``  the tallies of a window of whole hours: ``{"Total":
                                      TALLY, "OS": {"Linux": TALLY, …}, …}``
``POST /fake/clock``                  ``{"now": TIME}``: let time go on, and what is due
                                      arrive; answers ``{"arrived": n}``
====================================  ====================================================

Times are ISO 8601, UTC where they do not say otherwise. Faults do not touch these paths, but
nothing answers here either while `restarting` keeps the door shut.
"""

import json
from typing import Any

from fake_server.faults import Faults
from fake_server.holdings import Holdings
from fake_server.incidents import instant
from fake_server.messages import JSON, Answer, Request
from fake_server.traffic import Traffic

PREFIX = "/fake/"


def answer(request: Request, holdings: Holdings, faults: Faults, traffic: Traffic) -> Answer:
    """Answer a request to switch something; 400 with the reason where it makes no sense."""
    try:
        said = _said(request, holdings, faults, traffic)
    except (ValueError, KeyError, TypeError) as error:
        return _as_json(400, {"error": f"{type(error).__name__}: {error}"})
    return _as_json(404, {"error": "no such switch"}) if said is None else _as_json(200, said)


def _said(request: Request, holdings: Holdings, faults: Faults, traffic: Traffic) -> Any:
    match request.method, request.path:
        case "GET", "/fake/stats":
            return {"stored": holdings.stored, **traffic.as_json()}
        case "POST" | "GET", "/fake/faults":
            if request.method == "POST":
                faults.switch(json.loads(request.body))
            return faults.written()
        case "GET", "/fake/truth":
            given = request.parameters
            return holdings.right(*(instant(given[one]) for one in ("since", "until") if given))
        case "POST", "/fake/clock":
            return {"arrived": holdings.advance(instant(json.loads(request.body)["now"]))}
    return None


def _as_json(status: int, value: object) -> Answer:
    return Answer(status=status, body=json.dumps(value).encode(), headers=JSON)
