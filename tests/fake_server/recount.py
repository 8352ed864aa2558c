"""The definitions counted a second time, from blobs, in as few lines as they take.

For these tests alone: it is how the fake's truth, which never sees a blob, is held against the
blobs that it speaks of.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

_SYSTEMS = {
    "Windows NT 6.2": "Windows 8", "Windows NT 6.1": "Windows 7", "Windows NT 6.0": "Windows Vista",
    "Windows NT 5.1": "Windows XP", "iPod": "iOS", "iPhone": "iOS", "iPad": "iOS",
    **{one: one for one in (
        "Windows 8", "Windows 7", "Windows Vista", "Windows XP", "Macintosh", "Linux", "Android",
        "iOS", "FirefoxOS",
    )},
}  # fmt: skip
_LANGUAGES = {
    "en": "English", "es": "Spanish", "pt-BR": "Portuguese - Brazil", "de": "German",
    "fr": "French", "it": "Italian", "pl": "Polish", "tr": "Turkish", "ru": "Russian",
    "nl": "Dutch",
}  # fmt: skip
_LANGUAGES |= {one: one for one in _LANGUAGES.values()}
_APIS = {
    "watch_without_onready": "watch", "watch_with_onready": "watch with onready",
    **{one: one for one in ("get", "getVerifiedEmail", "watch", "watch with onready", "internal")},
}  # fmt: skip
_EMAIL_TYPES = {"primary": "IdP", "secondary": "Fallback", "IdP": "IdP", "Fallback": "Fallback"}
_ENGAGED = {
    "screen.set_password", "screen.pick_email", "screen.provision_primary_user",
    "screen.verify_primary_user", "authenticate.enter_password",
}  # fmt: skip
_SIGNED_IN = "4 - Logged in (assertion generated)"


def days(blobs: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Tallies by day, "Total" and segment, in the shape of the truth."""
    counted: dict[str, Any] = {}
    for blob in blobs:
        events = {event[0] for event in blob.get("event_stream") or ()}
        if not events:
            continue
        moment = datetime.fromtimestamp(int(blob["timestamp"]) / 1000, UTC)
        day = counted.setdefault(moment.date().isoformat(), {})
        flows = _flows(events)
        facts = _facts(blob, events, flows)
        day.setdefault("Total", Counter()).update(facts)
        for segmentation, segment in _segments(blob, flows).items():
            day.setdefault(segmentation, {}).setdefault(segment, Counter()).update(facts)
    return counted


def flatten(tally: dict[str, Any]) -> Counter[str]:
    """One of the truth's tallies as `days` has them."""
    flat = Counter({"attempts": tally["attempts"], "signed in": tally["bounces_signed_in"]})
    flat.update({f"outcome {name}": times for name, times in tally["outcomes"].items()})
    for flow, steps in tally["flows"].items():
        flat.update({f"{flow} {step}": times for step, times in steps.items()})
    flat.update({f"sites {n}": times for n, times in tally["sites"]["histogram"].items()})
    for name, values in tally["durations"].items():
        flat.update(f"{name} took {ms}" for ms in values)
    assert tally["sites"]["sum"] == sum(
        int(n) * times for n, times in tally["sites"]["histogram"].items()
    )
    return +flat


def _facts(blob: dict[str, Any], events: set[str], flows: dict[str, set[str]]) -> Counter[str]:
    facts = Counter({"attempts": 1, f"sites {_sites(blob)}": 1})
    facts.update(f"{flow} {step}" for flow, steps in flows.items() for step in steps)
    facts.update(f"{name} took {ms}" for name, ms in _durations(blob["event_stream"], flows))
    signed_in = "assertion_generated" in events
    if "screen.rp_info" in events:
        if not events & _ENGAGED:
            outcome = "bounce"
            facts["signed in"] = int(signed_in)
        elif not signed_in:
            outcome = "fail"
        elif flows["new_user"]:
            outcome = "fallback"
        elif blob.get("new_account") is True and "screen.provision_primary_user" in events:
            outcome = "idp"
        else:
            outcome = "assertion"
        facts[f"outcome {outcome}"] = 1
    return +facts


def _durations(stream: list[list[Any]], flows: dict[str, set[str]]) -> Iterator[tuple[str, int]]:
    for name, first, last, belongs in (
        ("dialog_load", "window.dom_loading", "screen.rp_info", True),
        ("sign_in", "screen.rp_info", "assertion_generated", True),
        ("new_user", "screen.set_password", "assertion_generated", flows["new_user"]),
        ("password_reset", "user.reset_password_staged", "assertion_generated",
         flows["password_reset"]),
    ):  # fmt: skip
        begin = min((event[1] for event in stream if event[0] == first), default=None)
        if belongs and begin is not None:
            ends = [event[1] for event in stream if event[0] == last and event[1] >= begin]
            if ends:
                yield name, min(ends) - begin


def _flows(events: set[str]) -> dict[str, set[str]]:
    signed_in = "assertion_generated" in events
    general = {
        "0 - Blob sent": True,
        "1 - Dialog shown": "screen.rp_info" in events,
        "2 - User engaged": bool(events & _ENGAGED),
        "3 - Error screen": any("screen.error" in one for one in events),
        _SIGNED_IN: signed_in,
    }
    new_user: dict[str, bool] = {}
    if "staging_continuation" in events:
        new_user = {"3 - Email verified": signed_in, _SIGNED_IN: signed_in}
    elif "screen.set_password" in events and "authenticate.enter_password" not in events:
        new_user = {
            "1 - Enter email": True,
            "2 - Choose password": "user.user_staged" in events,
            "3 - Email verified": "user.user_confirmed" in events,
            _SIGNED_IN: signed_in,
        }
    reset: dict[str, bool] = {}
    if "user.reset_password_staged" in events:
        reset = {
            "1 - Begin password reset": True,
            "2 - New password confirmed": "user.reset_password_confirmed" in events,
            "3 - Logged in (assertion generated)": signed_in,
        }
    add_email: dict[str, bool] = {}
    if "user.email_staged" in events:
        add_email = {
            "1 - Email staged": True,
            "2 - Email confirmed": "user.email_confirmed" in events,
        }
    return {
        name: {step for step, there in steps.items() if there}
        for name, steps in {
            "general_progress": general,
            "new_user": new_user,
            "password_reset": reset,
            "add_email": add_email,
        }.items()
    }


def _segments(blob: dict[str, Any], flows: dict[str, set[str]]) -> dict[str, str]:
    agent = blob.get("user_agent")
    agent = agent if isinstance(agent, dict) else {}
    screen = blob.get("screen_size")
    width = _number(screen.get("width")) if isinstance(screen, dict) else None
    emails = _number(blob.get("number_emails"))
    browser = agent.get("browser")
    fallback = flows["new_user"] or flows["password_reset"]
    return {
        "OS": _known(agent.get("os"), _SYSTEMS),
        "Browser": browser if browser in ("Firefox", "Chrome", "MSIE", "Safari") else "Other",
        "Screen": "Other" if width is None
        else "Desktop (>= 1024)" if width >= 1024
        else "Mobile (<= 640)" if width <= 640
        else "Tablet Profile",
        "Emails": "Other" if emails is None else str(emails) if emails < 3 else "3+",
        "Locale": _known(blob.get("lang"), _LANGUAGES),
        "API": _known(blob.get("rp_api"), _APIS),
        "EmailType": "Fallback" if fallback else _known(blob.get("email_type"), _EMAIL_TYPES),
    }  # fmt: skip


def _sites(blob: dict[str, Any]) -> int:
    fields = ("number_sites_logged_in", "sites_signed_in", "number_sites_signed_in")
    return next((n for field in fields if (n := _number(blob.get(field)))), 0)


def _known(value: object, names: dict[str, str]) -> str:
    return names.get(value, "Other") if isinstance(value, str) else "Other"


def _number(value: object) -> int | None:
    if isinstance(value, str) and value.isdigit():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
