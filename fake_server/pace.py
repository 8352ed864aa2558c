"""How long each user takes for what they do: when each event of a dialog happened.

Times are log-normal, as those of people are. Each kind of event has its own typical time; phones
are slower than desktops, and who is new here is slower than who knows the way.
"""

from functools import cache
from math import exp
from statistics import NormalDist
from typing import Final

from fake_server.journeys import Journey

DURATIONS: Final = ("dialog_load", "sign_in", "new_user", "password_reset")

_TYPICAL_MS: Final = {
    "window.channel_established": 180,
    "screen.rp_info": 420,
    "screen.authenticate": 350,
    "screen.pick_email": 300,
    "authenticate.enter_password": 2_500,
    "authenticate.password_submitted": 6_500,
    "authenticate.password_success": 700,
    "authenticate.password_fail": 700,
    "screen.set_password": 5_000,
    "user.user_staged": 11_000,
    "user.user_confirmed": 42_000,
    "screen.provision_primary_user": 1_200,
    "screen.verify_primary_user": 2_600,
    "user.reset_password_staged": 7_000,
    "user.reset_password_confirmed": 55_000,
    "user.email_staged": 9_000,
    "user.email_confirmed": 38_000,
    "generate_assertion": 1_900,
    "assertion_generated": 450,
    "window.unload": 900,
}
_ANY_MS: Final = 250
"""The typical time of an event that is not listed."""

HANDHELD_FACTOR: Final = 1.7
NEW_FACTOR: Final = 1.3
_USER_SIGMA, _EVENT_SIGMA = 0.45, 0.5
_DRAWS: Final = 4096


def _log_normal(sigma: float) -> tuple[float, ...]:
    """Return the factors that a draw of twelve bits chooses from; half of them lie below 1."""
    normal = NormalDist(0, sigma)
    return tuple(exp(normal.inv_cdf((n + 0.5) / _DRAWS)) for n in range(_DRAWS))


_OF_USER, _OF_EVENT = _log_normal(_USER_SIGMA), _log_normal(_EVENT_SIGMA)


@cache
def _typical(journey: Journey) -> tuple[int, ...]:
    stream = journey.stream or ()
    # The dialog's first event is what its clock begins with, all but.
    return tuple(
        _TYPICAL_MS.get(name, _ANY_MS) if number else 25 for number, name in enumerate(stream)
    )


def offsets_ms(journey: Journey, chance: int, slowness: float) -> list[int]:
    """Return when each event of the journey's stream happens; `chance` is 512 random bits.

    `slowness`: how many times the typical time this kind of user takes.
    """
    pace = slowness * _OF_USER[chance >> 500]
    found, at_ms = [], 0.0
    for typical in _typical(journey):
        at_ms += typical * pace * _OF_EVENT[chance & 4095]
        chance >>= 16
        found.append(round(at_ms))
    return found


@cache
def _ends(journey: Journey) -> tuple[tuple[str, int, int], ...]:
    """Return each duration that the journey has, and at which of its events it begins and ends."""
    stream = journey.stream or ()
    found = []
    for name, first, last, belongs in (
        ("dialog_load", "window.dom_loading", "screen.rp_info", True),
        ("sign_in", "screen.rp_info", "assertion_generated", True),
        ("new_user", "screen.set_password", "assertion_generated", bool(journey.new_user)),
        (
            "password_reset",
            "user.reset_password_staged",
            "assertion_generated",
            bool(journey.reset),
        ),
    ):
        if belongs and first in stream:
            begin = stream.index(first)
            if last in stream[begin:]:
                found.append((name, begin, stream.index(last, begin)))
    return tuple(found)


def durations_ms(journey: Journey, chance: int, slowness: float) -> dict[str, int]:
    """Return how long the user takes, for each duration that the journey has."""
    ends = _ends(journey)
    if not ends:
        return {}
    at = offsets_ms(journey, chance, slowness)
    return {name: at[end] - at[begin] for name, begin, end in ends}
