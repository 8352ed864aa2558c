"""How a shown dialog ended."""

from enum import StrEnum


class Outcome(StrEnum):
    """The label values of `kpi_dialogs`."""

    BOUNCE = "bounce"
    FAIL = "fail"
    ASSERTION = "assertion"
    FALLBACK = "fallback"
    IDP = "idp"


def outcome(
    *, shown: bool, engaged: bool, signed_in: bool, fallback: bool, idp: bool
) -> Outcome | None:
    """Return how the dialog ended; None if it never appeared."""
    if not shown:
        return None
    if not engaged:
        return Outcome.BOUNCE
    if not signed_in:
        return Outcome.FAIL
    if fallback:
        return Outcome.FALLBACK
    if idp:
        return Outcome.IDP
    return Outcome.ASSERTION
