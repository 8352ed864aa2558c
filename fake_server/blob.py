"""Writes the JSON that a user's browser would send. A pure function of the plan."""

from functools import cache
from typing import Final

from fake_server.crowd import Plan
from fake_server.journeys import Journey

_NOISE: Final = (
    "xhr_complete.GET/wsapi/session_context",
    "xhr_complete.GET/wsapi/address_info",
    "xhr_complete.POST/wsapi/cert_key",
    "xhr_complete.GET/wsapi/user_creation_status",
)
"""Events that count for nothing."""


def write(plan: Plan) -> str:
    """The blob as a JSON object, without an id."""
    journey = plan.journey
    members = [
        journey.extra if journey.stream is None else _stream(journey, plan.chance),
        plan.members[0],
        _TIMESTAMPS[plan.timestamp_as] % plan.timestamp_ms
        if plan.timestamp_as != "missing"
        else "",
        f'"new_account":{journey.new_account}' if journey.new_account else "",
        *plan.members[1:],
        f'"number_sites_remembered":{plan.chance % 7}' if plan.chance & 8 else "",
        '"orphaned":true' if plan.chance & 3 == 0 else '"orphaned":false',
    ]
    return f"{{{','.join(filter(None, members))}}}"


_TIMESTAMPS: Final = {"number": '"timestamp":%d', "string": '"timestamp":"%d"'}


@cache
def _opened(journey: Journey) -> tuple[str, ...]:
    """The beginning of each event's JSON."""
    return tuple(f'["{name}",' for name in journey.stream or ())


def _stream(journey: Journey, chance: int) -> str:
    # Twelve bits of chance for the delay of each event, four for what else is said with it.
    events = []
    at_ms = 0
    for opened in _opened(journey):
        at_ms += 40 + (chance & 4095)
        kind = chance >> 12 & 15
        chance >>= 16
        if kind == 0:
            events.append(f"{opened}{at_ms},{at_ms % 997}]")
        elif kind < 4:
            events.append(f'{opened}{at_ms}],["{_NOISE[kind]}",{at_ms + 5},{at_ms % 613}]')
        elif kind == 4:
            events.append(
                f'{opened}{at_ms}],["{_NOISE[0]}",{at_ms + 5},{at_ms % 613},{at_ms % 9 + 2}]'
            )
        else:
            events.append(f"{opened}{at_ms}]")
    return f'"event_stream":[{",".join(events)}]'
