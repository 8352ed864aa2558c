"""What users are, and the ways in which their blobs say so.

Each table says for a segment how it is written on the wire, how often. The truth knows the segment
because the user was made to have it, not because the writing was read.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

SEGMENTATIONS: Final = ("OS", "Browser", "Screen", "Emails", "Locale", "API", "EmailType")
"""The order in which a plan holds its segments."""

OTHER: Final = "Other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trait:
    """A segment, and the JSON member that shows it; an empty one leaves the field out."""

    segment: str
    json: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sites:
    """How many sites a user is signed in to, and the JSON members that say so."""

    count: int
    json: str


class _Absent:
    """Stands for a field that is not there."""


_ABSENT: Final = _Absent()


def _written(field: str, table: Mapping[str, Iterable[tuple[object, int]]]) -> tuple[Trait, ...]:
    """Repeat each writing as often as its weight says, so that drawing is one index."""
    return tuple(
        Trait(segment=segment, json=_member(field, value))
        for segment, writings in table.items()
        for value, weight in writings
        for _ in range(weight)
    )


def _member(field: str, value: object) -> str:
    if value is _ABSENT:
        return ""
    return f'"{field}":{json.dumps(value, separators=(",", ":"))}'


HANDHELD: Final = frozenset({"Android", "iOS", "FirefoxOS"})
"""The operating systems whose screens are small, as a rule."""

SYSTEMS: Final = _written(
    "os",
    {
        "Windows 8": [("Windows NT 6.2", 50), ("Windows 8", 2)],
        "Windows 7": [("Windows NT 6.1", 300), ("Windows 7", 5)],
        "Windows Vista": [("Windows NT 6.0", 30), ("Windows Vista", 1)],
        "Windows XP": [("Windows NT 5.1", 100), ("Windows XP", 2)],
        "Macintosh": [("Macintosh", 180)],
        "Linux": [("Linux", 110)],
        "Android": [("Android", 90)],
        "iOS": [("iPhone", 50), ("iPad", 35), ("iPod", 5), ("iOS", 2)],
        "FirefoxOS": [("FirefoxOS", 20)],
        OTHER: [("Windows NT 6.3", 8), ("SunOS", 3), ("", 1), (_ABSENT, 4), (None, 2), (7, 1)],
    },
)

BROWSERS: Final = _written(
    "browser",
    {
        "Firefox": [("Firefox", 560)],
        "Chrome": [("Chrome", 260)],
        "MSIE": [("MSIE", 90)],
        "Safari": [("Safari", 70)],
        OTHER: [("Opera", 12), ("firefox", 2), (_ABSENT, 4), (None, 2)],
    },
)

ODD_AGENTS: Final = tuple(
    one
    for one, weight in (
        (None, 96),
        ("", 2),
        ('"user_agent":null', 1),
        ('"user_agent":{}', 1),
        ('"user_agent":"Mozilla/5.0"', 1),
        ('"user_agent":["Linux","Firefox"]', 1),
    )
    for _ in range(weight)
)
"""Writings of a whole user agent that say nothing; None where it is written as it should be."""

_NO_SCREEN: Final[tuple[tuple[object, int], ...]] = (
    (_ABSENT, 24),
    (None, 3),
    ({}, 4),
    ("1024x768", 3),
    ({"height": 600}, 2),
    ({"width": None, "height": 600}, 2),
    ({"width": "wide", "height": 600}, 2),
    ([1024, 768], 1),
)

_DESKTOPS: Final = _written(
    "screen_size",
    {
        "Desktop (>= 1024)": [
            ({"width": 1366, "height": 768}, 240),
            ({"width": 1920, "height": 1200}, 150),
            ({"width": 1280, "height": 1024}, 120),
            ({"width": 1680, "height": 1050}, 120),
            ({"width": 1024, "height": 768}, 90),
            ({"width": "1440", "height": "900"}, 20),
            ({"width": "1024"}, 4),
        ],
        "Tablet Profile": [
            ({"width": 1023, "height": 600}, 20),
            ({"width": 800, "height": 600}, 9),
        ],
        OTHER: _NO_SCREEN,
    },
)

_HANDHELD_SCREENS: Final = _written(
    "screen_size",
    {
        "Mobile (<= 640)": [
            ({"width": 320, "height": 480}, 150),
            ({"width": 360, "height": 640}, 110),
            ({"width": 640, "height": 960}, 90),
            ({"width": "320", "height": "568"}, 10),
            ({"width": 0, "height": 0}, 3),
        ],
        "Tablet Profile": [
            ({"width": 768, "height": 1024}, 120),
            ({"width": 641, "height": 900}, 20),
            ({"width": "768"}, 5),
        ],
        "Desktop (>= 1024)": [({"width": 1024, "height": 768}, 40)],
        OTHER: _NO_SCREEN,
    },
)

SCREENS: Final = {False: _DESKTOPS, True: _HANDHELD_SCREENS}
"""The screens of desktops, and of handheld devices."""

EMAILS: Final = _written(
    "number_emails",
    {
        "0": [(0, 200), ("0", 6)],
        "1": [(1, 430), ("1", 12)],
        "2": [(2, 140), ("2", 4)],
        "3+": [(3, 55), (4, 25), (7, 10), ("3", 2), ("12", 2)],
        OTHER: [(_ABSENT, 80), (None, 10), ("many", 3), ([1], 1)],
    },
)

LANGUAGES: Final = _written(
    "lang",
    {
        "English": [("en", 500), ("English", 2)],
        "Spanish": [("es", 85)],
        "Portuguese - Brazil": [("pt-BR", 55)],
        "Polish": [("pl", 40)],
        "Dutch": [("nl", 30)],
        "Italian": [("it", 28)],
        "French": [("fr", 52)],
        "German": [("de", 66)],
        "Russian": [("ru", 28)],
        "Turkish": [("tr", 26)],
        OTHER: [
            ("en-US", 8),
            ("ja", 17),
            ("zh-CN", 9),
            ("pt_BR", 7),
            ("中文", 2),
            (_ABSENT, 36),
            (None, 4),
            (1, 1),
        ],
    },
)

APIS: Final = _written(
    "rp_api",
    {
        "get": [("get", 220)],
        "getVerifiedEmail": [("getVerifiedEmail", 90)],
        "watch": [("watch_without_onready", 290), ("watch", 6)],
        "watch with onready": [("watch_with_onready", 210), ("watch with onready", 2)],
        "internal": [("internal", 36)],
        OTHER: [("stateless", 10), (_ABSENT, 140), (None, 6), ({"api": "get"}, 1)],
    },
)

_EMAIL_TYPES: Final = _written(
    "email_type",
    {
        "Fallback": [("secondary", 500), ("Fallback", 3)],
        "IdP": [("primary", 60), ("IdP", 2)],
        OTHER: [("proxy", 20), (_ABSENT, 180), (None, 12), (2, 1)],
    },
)

_PROVIDER_EMAIL_TYPES: Final = _written(
    "email_type",
    {
        "IdP": [("primary", 500), ("IdP", 5)],
        "Fallback": [("secondary", 8)],
        OTHER: [("proxy", 20), (_ABSENT, 60), (None, 10)],
    },
)

EMAIL_TYPES: Final = {False: _EMAIL_TYPES, True: _PROVIDER_EMAIL_TYPES}
"""What the field says without, and with, an identity provider."""

_SITE_COUNTS: Final = (
    (0, 40),
    (1, 70),
    (2, 38),
    (3, 22),
    (4, 12),
    (5, 8),
    (9, 5),
    (17, 3),
    (60, 1),
)

_SITE_WRITINGS: Final = (
    ('"number_sites_signed_in":%d', 55),
    ('"number_sites_logged_in":%d', 20),
    ('"sites_signed_in":%d', 12),
    ('"number_sites_logged_in":0,"sites_signed_in":%d', 2),
    ('"number_sites_logged_in":null,"number_sites_signed_in":%d', 2),
    ('"number_sites_logged_in":"some","sites_signed_in":%d', 1),
    ('"sites_signed_in":%d,"number_sites_signed_in":99', 2),
    ('"number_sites_signed_in":4,"number_sites_logged_in":%d', 2),
    ('"sites_signed_in":"%d"', 2),
    ('"number_sites_signed_in":"%d"', 2),
)

_NO_SITE_WRITINGS: Final = (
    ("", 30),
    ('"number_sites_signed_in":0', 40),
    ('"number_sites_logged_in":0', 20),
    ('"number_sites_signed_in":"0"', 2),
    ('"sites_signed_in":null', 3),
    ('"number_sites_signed_in":"none"', 2),
    ('"number_sites_logged_in":0,"sites_signed_in":0,"number_sites_signed_in":0', 3),
)

SITES: Final = tuple(
    Sites(count=count, json=writing % count if count else writing)
    for count, weight in _SITE_COUNTS
    for writing, share in (_SITE_WRITINGS if count else _NO_SITE_WRITINGS)
    for _ in range(weight * share)
)
"""Where a blob holds two of the fields, the first in the order of their names' history counts."""

SAMPLE_RATES: Final = tuple(
    f'"sample_rate":{rate}' if rate else ""
    for rate, weight in (("1", 60), ("0.1", 20), ("0.25", 12), ("0.01", 5), ("", 3))
    for _ in range(weight)
)
"""A field that weighs nothing."""

SEGMENTS: Final = {
    segmentation: frozenset(trait.segment for trait in traits)
    for segmentation, traits in zip(
        SEGMENTATIONS,
        (SYSTEMS, BROWSERS, _DESKTOPS + _HANDHELD_SCREENS, EMAILS, LANGUAGES, APIS),
        strict=False,
    )
}
"""The segments that users are in from the start: of all segmentations but EmailType, which depends
on what they do."""
