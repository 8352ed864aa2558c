"""The KPIs a second time, each from the blobs by itself: no tallies, no slots, no layout.

For these tests alone, in as plain words as there are. Blobs here have the right types.
"""

from collections.abc import Callable, Mapping, Sequence
from math import nan
from statistics import mean, median
from typing import Any, TypeAlias

Blob: TypeAlias = Mapping[str, Any]
Blobs: TypeAlias = Sequence[Blob]

ENGAGING = {
    "screen.set_password",
    "screen.pick_email",
    "screen.provision_primary_user",
    "screen.verify_primary_user",
    "authenticate.enter_password",
}
SITES = ("number_sites_logged_in", "sites_signed_in", "number_sites_signed_in")


def events(blob: Blob) -> set[str]:
    return {event[0] for event in blob["event_stream"]}


def is_shown(blob: Blob) -> bool:
    return "screen.rp_info" in events(blob)


def is_engaged(blob: Blob) -> bool:
    return bool(events(blob) & ENGAGING)


def is_signed_in(blob: Blob) -> bool:
    return "assertion_generated" in events(blob)


def has_new_user_steps(blob: Blob) -> bool:
    if "staging_continuation" in events(blob):
        return is_signed_in(blob)
    return "screen.set_password" in events(blob) and "authenticate.enter_password" not in events(
        blob
    )


def bounced(blob: Blob) -> bool:
    return is_shown(blob) and not is_engaged(blob)


def failed(blob: Blob) -> bool:
    return is_shown(blob) and is_engaged(blob) and not is_signed_in(blob)


def is_new(blob: Blob) -> bool:
    provisioned = "screen.provision_primary_user" in events(blob)
    by_provider = provisioned and blob.get("new_account") is True
    came_in = is_shown(blob) and is_engaged(blob) and is_signed_in(blob)
    return came_in and (has_new_user_steps(blob) or by_provider)


def sites(blob: Blob) -> int:
    given = [blob[field] for field in SITES if blob.get(field)]
    return given[0] if given else 0


def number(blobs: Blobs, holds: Callable[[Blob], bool]) -> int:
    return len([blob for blob in blobs if holds(blob)])


def share(part: int, whole: int) -> float:
    return part / whole if whole else nan


def newcomers(blobs: Blobs) -> int:
    return number(blobs, bounced) + number(blobs, failed) + number(blobs, is_new)


def abandoned(blob: Blob) -> bool:
    return bounced(blob) and not is_signed_in(blob)


def signed_in_bounce(blob: Blob) -> bool:
    return bounced(blob) and is_signed_in(blob)


def staged_email(blob: Blob) -> bool:
    return "user.email_staged" in events(blob)


def confirmed_email(blob: Blob) -> bool:
    return staged_email(blob) and "user.email_confirmed" in events(blob)


KPIS: Mapping[str, Callable[[Blobs], float]] = {
    "sign_in_attempts": len,
    "bounce_ratio": lambda b: share(
        number(b, is_shown) - number(b, is_engaged), number(b, is_shown)
    ),
    "bounces_signed_in": lambda b: number(b, signed_in_bounce),
    "abandonment_ratio": lambda b: share(number(b, abandoned), number(b, is_shown)),
    "new_users": lambda b: number(b, is_new),
    "new_user_bounce_ratio": lambda b: share(number(b, bounced), newcomers(b)),
    "new_user_success_ratio": lambda b: share(number(b, is_new), newcomers(b)),
    "sites_signed_in_mean": lambda b: mean(map(sites, b)) if b else nan,
    "sites_signed_in_median": lambda b: median(map(sites, b)) if b else nan,
}  # fmt: skip
"""Those with one value."""


def additional_emails(blobs: Blobs) -> tuple[int, int, float]:
    """Staged, confirmed, and the share of the one that the other is."""
    staged, confirmed = number(blobs, staged_email), number(blobs, confirmed_email)
    return staged, confirmed, share(confirmed, staged)
