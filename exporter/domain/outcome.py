"""How a dialog ended."""

from enum import StrEnum


class Outcome(StrEnum):
    """The label values of `kpi_dialogs`; `CONTINUED` exists only where definitions have it."""

    BOUNCE = "bounce"
    FAIL = "fail"
    ASSERTION = "assertion"
    FALLBACK = "fallback"
    IDP = "idp"
    CONTINUED = "continued"


def outcome(
    *,
    shown: bool,
    engaged: bool,
    signed_in: bool,
    fallback: bool,
    idp: bool,
    continued: bool = False,
    continuation: bool = False,
) -> Outcome | None:
    """Return how the dialog ended; None if it never appeared.

    A continuation is the second half of a dialog that appeared and was engaged with before.
    """
    if not continuation:
        if not shown:
            return None
        if not engaged:
            return Outcome.BOUNCE
        if continued:
            return Outcome.CONTINUED
    if not signed_in:
        return Outcome.FAIL
    if fallback:
        return Outcome.FALLBACK
    if idp:
        return Outcome.IDP
    return Outcome.ASSERTION
