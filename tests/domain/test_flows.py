"""Flows, steps, continuations and outcomes."""

import pytest

from tests.domain.reading import blob, steps, total

SHOWN = "screen.rp_info"
SIGNED_IN = "assertion_generated"
SET_PASSWORD = "screen.set_password"
PASSWORD = "authenticate.enter_password"
CONTINUATION = "staging_continuation"
ENGAGED = (
    "screen.set_password",
    "screen.pick_email",
    "screen.provision_primary_user",
    "screen.verify_primary_user",
    "authenticate.enter_password",
)


@pytest.mark.parametrize(
    ("events", "reached"),
    [
        (("window.dom_loading",), "0"),
        ((SHOWN,), "01"),
        ((SIGNED_IN,), "04"),
        ((SHOWN, SIGNED_IN), "014"),
        ((SHOWN, "screen.error"), "013"),
        ((SHOWN, "xhr.screen.error.offline"), "013"),
        ((SHOWN, "screen.errand", "Screen.error"), "01"),
        (("authenticate",), "0"),
        *(((event,), "02") for event in ENGAGED),
    ],
)
def test_general_progress(events: tuple[str, ...], reached: str) -> None:
    assert steps("general_progress", *events) == list(reached)


@pytest.mark.parametrize(
    ("events", "reached"),
    [
        ((SET_PASSWORD,), "1"),
        ((SET_PASSWORD, "user.user_staged"), "12"),
        ((SET_PASSWORD, "user.user_confirmed"), "13"),
        ((SET_PASSWORD, "user.user_staged", "user.user_confirmed", SIGNED_IN), "1234"),
        ((SIGNED_IN, "user.user_confirmed", SET_PASSWORD), "134"),
        ((SET_PASSWORD, PASSWORD, SIGNED_IN), ""),
        (("user.user_staged", "user.user_confirmed", SIGNED_IN), ""),
        ((SIGNED_IN,), ""),
    ],
)
def test_new_user(events: tuple[str, ...], reached: str) -> None:
    assert steps("new_user", *events) == list(reached)


@pytest.mark.parametrize(
    ("events", "reached"),
    [
        ((CONTINUATION, SIGNED_IN), "34"),
        ((CONTINUATION,), ""),
        ((CONTINUATION, "user.user_confirmed"), ""),
        ((CONTINUATION, SET_PASSWORD, "user.user_staged"), ""),
        ((CONTINUATION, SET_PASSWORD, "user.user_staged", SIGNED_IN), "34"),
        ((CONTINUATION, PASSWORD, SIGNED_IN), "34"),
    ],
)
def test_a_continuation_reaches_the_last_two_steps_or_none(
    events: tuple[str, ...], reached: str
) -> None:
    assert steps("new_user", *events) == list(reached)


def test_a_continuation_counts_in_the_other_flows_as_any_blob() -> None:
    events = (CONTINUATION, SHOWN, PASSWORD, SIGNED_IN)

    assert steps("general_progress", *events) == ["0", "1", "2", "4"]


@pytest.mark.parametrize(
    ("events", "reached"),
    [
        (("user.reset_password_staged",), "1"),
        (("user.reset_password_staged", "user.reset_password_confirmed"), "12"),
        (("user.reset_password_staged", SIGNED_IN), "13"),
        (("user.reset_password_confirmed", SIGNED_IN), ""),
    ],
)
def test_password_reset(events: tuple[str, ...], reached: str) -> None:
    assert steps("password_reset", *events) == list(reached)


@pytest.mark.parametrize(
    ("events", "reached"),
    [
        (("user.email_staged",), "1"),
        (("user.email_confirmed", "user.email_staged"), "12"),
        (("user.email_confirmed",), ""),
    ],
)
def test_add_email(events: tuple[str, ...], reached: str) -> None:
    assert steps("add_email", *events) == list(reached)


@pytest.mark.parametrize(
    ("events", "fields", "ended"),
    [
        ((), {}, None),
        ((PASSWORD, SIGNED_IN), {}, None),
        ((SHOWN,), {}, "bounce"),
        ((SHOWN, SIGNED_IN), {}, "bounce"),
        ((SHOWN, CONTINUATION, SIGNED_IN), {}, "bounce"),
        ((SHOWN, "user.reset_password_staged"), {}, "bounce"),
        ((SHOWN, PASSWORD), {}, "fail"),
        ((SHOWN, SET_PASSWORD, "user.user_staged"), {}, "fail"),
        ((SHOWN, "screen.provision_primary_user"), {"new_account": True}, "fail"),
        ((SHOWN, SET_PASSWORD, SIGNED_IN), {}, "fallback"),
        ((SHOWN, CONTINUATION, PASSWORD, SIGNED_IN), {}, "fallback"),
        (
            (SHOWN, SET_PASSWORD, "screen.provision_primary_user", SIGNED_IN),
            {"new_account": True},
            "fallback",
        ),
        ((SHOWN, "screen.provision_primary_user", SIGNED_IN), {"new_account": True}, "idp"),
        ((SHOWN, "screen.provision_primary_user", SIGNED_IN), {"new_account": False}, "assertion"),
        ((SHOWN, "screen.provision_primary_user", SIGNED_IN), {"new_account": "true"}, "assertion"),
        ((SHOWN, "screen.provision_primary_user", SIGNED_IN), {"new_account": 1}, "assertion"),
        ((SHOWN, "screen.provision_primary_user", SIGNED_IN), {}, "assertion"),
        ((SHOWN, PASSWORD, SIGNED_IN), {"new_account": True}, "assertion"),
        ((SHOWN, SET_PASSWORD, PASSWORD, SIGNED_IN), {}, "assertion"),
        ((SHOWN, "screen.pick_email", SIGNED_IN), {}, "assertion"),
    ],
)
def test_a_shown_dialog_has_the_first_outcome_that_holds(
    events: tuple[str, ...], fields: dict[str, object], ended: str | None
) -> None:
    found = total("dialogs", blob("window.dom_loading", *events, **fields))

    assert {name for (name,), n in found.items() if n} == ({ended} - {None})


def test_a_bounce_that_was_signed_in_is_counted_as_both() -> None:
    bounces = [blob(SHOWN), blob(SHOWN, SIGNED_IN), blob(SHOWN, CONTINUATION, SIGNED_IN)]

    assert total("dialogs", *bounces)[("bounce",)] == 3
    assert total("bounces_signed_in", *bounces)[()] == 2
    assert total("abandonment_ratio", *bounces)[()] == 1 / 3


def test_an_event_counts_once_however_often_it_happened() -> None:
    assert total("dialogs", blob(SHOWN, SHOWN, SHOWN))[("bounce",)] == 1


def test_engagement_without_a_shown_dialog_counts_against_the_bounce_rate() -> None:
    assert total("bounce_ratio", blob(SHOWN), blob(PASSWORD), blob(PASSWORD))[()] == -1
