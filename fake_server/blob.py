"""Writes the JSON that a user's browser would send. A pure function of the plan."""

from functools import cache
from typing import Final

from fake_server.crowd import Plan
from fake_server.journeys import Journey
from fake_server.pace import offsets_ms

_NOISE: Final = (
    "xhr_complete.GET/wsapi/session_context",
    "xhr_complete.GET/wsapi/address_info",
    "xhr_complete.POST/wsapi/cert_key",
    "xhr_complete.GET/wsapi/user_creation_status",
)
"""Events that count for nothing."""


_TIMESTAMPS: Final = {"number": '"timestamp":{}', "string": '"timestamp":"{}"', "missing": ""}


def write(plan: Plan) -> str:
    """Return the blob as a JSON object, without an id."""
    journey = plan.journey
    members = [
        journey.extra if journey.stream is None else _stream(plan),
        plan.members[0],
        _TIMESTAMPS[plan.timestamp_as].format(plan.timestamp_ms),
        f'"new_account":{journey.new_account}' if journey.new_account else "",
        *plan.members[1:],
        f'"number_sites_remembered":{plan.chance % 7}' if plan.chance & 8 else "",
        '"orphaned":true' if plan.chance & 3 == 0 else '"orphaned":false',
    ]
    return f"{{{','.join(filter(None, members))}}}"


@cache
def _opened(journey: Journey) -> tuple[str, ...]:
    """Return the beginning of each event's JSON."""
    return tuple(f'["{name}",' for name in journey.stream or ())


def _stream(plan: Plan) -> str:
    # Of sixteen bits for each event twelve are of its time, and four of what else is said.
    chance = plan.chance
    events = []
    offsets = offsets_ms(plan.journey, chance, plan.slowness)
    for opened, at_ms in zip(_opened(plan.journey), offsets, strict=True):
        events.append(_ENDINGS[chance >> 12 & 15](opened, at_ms))
        chance >>= 16
    return f'"event_stream":[{",".join(events)}]'


def _plain(opened: str, at_ms: int) -> str:
    return f"{opened}{at_ms}]"


def _lasting(opened: str, at_ms: int) -> str:
    return f"{opened}{at_ms},{at_ms % 997}]"


def _before_noise(opened: str, at_ms: int) -> str:
    noise = _NOISE[at_ms % len(_NOISE)]
    return f'{opened}{at_ms}],["{noise}",{at_ms + 5},{at_ms % 613}]'


def _before_repeated_noise(opened: str, at_ms: int) -> str:
    return f"{_before_noise(opened, at_ms)[:-1]},{at_ms % 9 + 2}]"


_ENDINGS: Final = (_lasting, *(_before_noise,) * 3, _before_repeated_noise, *(_plain,) * 11)
"""What follows the name of an event: its time, at times a duration, a count, another event."""
