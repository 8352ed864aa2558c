"""What a user can do in one dialog, and what that counts for.

Each row states by hand both the events that the dialog records and the facts that the definitions
make of them. The truth adds up the facts and never looks at the events.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

FLOW_STEPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "general_progress": (
            "0 - Blob sent",
            "1 - Dialog shown",
            "2 - User engaged",
            "3 - Error screen",
            "4 - Logged in (assertion generated)",
        ),
        "new_user": (
            "1 - Enter email",
            "2 - Choose password",
            "3 - Email verified",
            "4 - Logged in (assertion generated)",
        ),
        "password_reset": (
            "1 - Begin password reset",
            "2 - New password confirmed",
            "3 - Logged in (assertion generated)",
        ),
        "add_email": ("1 - Email staged", "2 - Email confirmed"),
    }
)
"""The steps of each flow, in order."""

OUTCOMES = ("bounce", "fail", "assertion", "fallback", "idp")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Journey:
    """One way through the dialog. Steps are named by the number that their name starts with."""

    name: str
    share: int
    """How common it is, relative to the other journeys."""
    stream: tuple[str, ...] | None
    """The events, in order; None where the blob is no dialog's and has no usable stream."""
    progress: tuple[int, ...] = ()
    outcome: str | None = None
    signed_in_bounce: bool = False
    new_user: tuple[int, ...] = ()
    reset: tuple[int, ...] = ()
    add_email: tuple[int, ...] = ()
    new_account: str = "false"
    """The JSON of the field; empty: the field is left out."""
    provider: bool = False
    """Whether the address belongs to an identity provider."""
    extra: str = ""
    """JSON members that only this journey has."""
    steps: tuple[tuple[str, str], ...] = field(init=False)
    """(flow, step) for each step reached."""

    def __post_init__(self) -> None:
        """Compute the steps once."""
        numbered = {
            "general_progress": self.progress,
            "new_user": self.new_user,
            "password_reset": self.reset,
            "add_email": self.add_email,
        }
        reached = tuple(
            (flow, step)
            for flow, numbers in numbered.items()
            for step in FLOW_STEPS[flow]
            if int(step[0]) in numbers
        )
        object.__setattr__(self, "steps", reached)

    @property
    def counted(self) -> bool:
        """Whether it is a sign-in attempt; one without events is ignored."""
        return self.stream is not None

    @property
    def fallback(self) -> bool:
        """Whether its steps alone say that the e-mail address has no identity provider."""
        return bool(self.new_user or self.reset)


_LOADED = ("window.dom_loading", "window.channel_established")
_SHOWN = (*_LOADED, "screen.rp_info")
_ASKED = (*_SHOWN, "screen.authenticate")
_SIGNED = ("generate_assertion", "screen.generate_assertion", "assertion_generated")
_PICKED = (*_SHOWN, "user.email_count:1", "screen.pick_email")
_TYPED = (*_ASKED, "authenticate.enter_password", "authenticate.password_submitted")
_PROVISIONED = (*_ASKED, "screen.provision_primary_user")
_PRIMARY = (*_PROVISIONED, "screen.verify_primary_user", "window.redirect_to_primary")
_CHOOSING = (*_ASKED, "screen.set_password")
_STAGED = (*_CHOOSING, "user.user_staged", "screen.check_registration")
_BACK = ("staging_continuation",)
_RESETTING = (*_ASKED, "authenticate.enter_password", "screen.reset_password")
_RESET_STAGED = (*_RESETTING, "user.reset_password_staged")
_RESET_DONE = (*_RESET_STAGED, "user.reset_password_confirmed")
_ADDING = (*_PICKED, "screen.add_email", "user.email_staged")
_CLOSED = ("window.unload",)

JOURNEYS: tuple[Journey, ...] = (
    # Shown, and left without a further screen.
    Journey(
        name="leaves at once",
        share=70,
        stream=(*_SHOWN, *_CLOSED),
        progress=(0, 1),
        outcome="bounce",
    ),
    Journey(
        name="leaves at the e-mail field",
        share=110,
        stream=(*_ASKED, *_CLOSED),
        progress=(0, 1),
        outcome="bounce",
    ),
    Journey(
        name="cancels",
        share=20,
        stream=(*_ASKED, "screen.cancel", *_CLOSED),
        progress=(0, 1),
        outcome="bounce",
    ),
    Journey(
        name="is stopped by an error at once",
        share=8,
        stream=(*_SHOWN, "screen.error.cookiesDisabled"),
        progress=(0, 1, 3),
        outcome="bounce",
    ),
    Journey(
        name="is signed in without a screen",
        share=40,
        stream=(*_SHOWN, *_SIGNED, *_CLOSED),
        progress=(0, 1, 4),
        outcome="bounce",
        signed_in_bounce=True,
    ),
    Journey(
        name="is signed in after an error",
        share=3,
        stream=(*_SHOWN, "screen.error.relayError", *_SIGNED),
        progress=(0, 1, 3, 4),
        outcome="bounce",
        signed_in_bounce=True,
    ),
    # Returning users.
    Journey(
        name="picks an address",
        share=250,
        stream=(*_PICKED, *_SIGNED, *_CLOSED),
        progress=(0, 1, 2, 4),
        outcome="assertion",
    ),
    Journey(
        name="types the password",
        share=120,
        stream=(*_TYPED, "authenticate.password_success", *_SIGNED, *_CLOSED),
        progress=(0, 1, 2, 4),
        outcome="assertion",
    ),
    Journey(
        name="types the password twice",
        share=20,
        stream=(
            *_TYPED,
            "authenticate.password_fail",
            "authenticate.password_submitted",
            "authenticate.password_success",
            *_SIGNED,
            *_CLOSED,
        ),
        progress=(0, 1, 2, 4),
        outcome="assertion",
    ),
    Journey(
        name="gets past an error",
        share=6,
        stream=(*_PICKED, "screen.error.offline", *_SIGNED, *_CLOSED),
        progress=(0, 1, 2, 3, 4),
        outcome="assertion",
    ),
    Journey(
        name="begins anew, then knows the password",
        share=8,
        stream=(*_CHOOSING, "authenticate.enter_password", *_SIGNED, *_CLOSED),
        progress=(0, 1, 2, 4),
        outcome="assertion",
    ),
    Journey(
        name="confirms in a dialog without a password",
        share=2,
        stream=(*_PICKED, "user.user_confirmed", *_SIGNED),
        progress=(0, 1, 2, 4),
        outcome="assertion",
    ),
    # Failures after the user engaged.
    Journey(
        name="forgot the password",
        share=30,
        stream=(*_TYPED, "authenticate.password_fail", *_CLOSED),
        progress=(0, 1, 2),
        outcome="fail",
    ),
    Journey(
        name="never gets the assertion",
        share=25,
        stream=(*_PICKED, "generate_assertion", *_CLOSED),
        progress=(0, 1, 2),
        outcome="fail",
    ),
    Journey(
        name="is refused the assertion",
        share=10,
        stream=(*_PICKED, "generate_assertion", "screen.error.getAssertion.400"),
        progress=(0, 1, 2, 3),
        outcome="fail",
    ),
    # New users whose address has no identity provider.
    Journey(
        name="signs up",
        share=60,
        stream=(*_STAGED, "user.user_confirmed", *_SIGNED, *_CLOSED),
        progress=(0, 1, 2, 4),
        outcome="fallback",
        new_user=(1, 2, 3, 4),
        new_account="true",
    ),
    Journey(
        name="signs up past an error",
        share=4,
        stream=(
            *_CHOOSING,
            "screen.error.unknown",
            "screen.set_password",
            "user.user_staged",
            "user.user_confirmed",
            *_SIGNED,
            *_CLOSED,
        ),
        progress=(0, 1, 2, 3, 4),
        outcome="fallback",
        new_user=(1, 2, 3, 4),
        new_account="true",
    ),
    Journey(
        name="signs up, one event lost",
        share=4,
        stream=(*_CHOOSING, "user.user_confirmed", *_SIGNED, *_CLOSED),
        progress=(0, 1, 2, 4),
        outcome="fallback",
        new_user=(1, 3, 4),
        new_account="true",
    ),
    Journey(
        name="leaves at the password",
        share=25,
        stream=(*_CHOOSING, *_CLOSED),
        progress=(0, 1, 2),
        outcome="fail",
        new_user=(1,),
        new_account="true",
    ),
    Journey(
        name="waits for the mail",
        share=30,
        stream=(*_STAGED, *_CLOSED),
        progress=(0, 1, 2),
        outcome="fail",
        new_user=(1, 2),
        new_account="true",
    ),
    Journey(
        name="confirms, and is not signed in",
        share=6,
        stream=(*_STAGED, "user.user_confirmed", *_CLOSED),
        progress=(0, 1, 2),
        outcome="fail",
        new_user=(1, 2, 3),
        new_account="true",
    ),
    Journey(
        name="cannot be staged",
        share=8,
        stream=(*_CHOOSING, "screen.error.createUser.503"),
        progress=(0, 1, 2, 3),
        outcome="fail",
        new_user=(1,),
        new_account="true",
    ),
    # Back from the verification mail, in a new dialog: steps 3 and 4, or none.
    Journey(
        name="comes back from the mail",
        share=40,
        stream=(*_BACK, *_PICKED, *_SIGNED, *_CLOSED),
        progress=(0, 1, 2, 4),
        outcome="fallback",
        new_user=(3, 4),
        new_account="true",
    ),
    Journey(
        name="comes back, signed in without a screen",
        share=12,
        stream=(*_BACK, *_SHOWN, *_SIGNED, *_CLOSED),
        progress=(0, 1, 4),
        outcome="bounce",
        signed_in_bounce=True,
        new_user=(3, 4),
        new_account="true",
    ),
    Journey(
        name="comes back to no dialog",
        share=8,
        stream=(*_BACK, *_LOADED, *_SIGNED),
        progress=(0, 4),
        new_user=(3, 4),
        new_account="true",
    ),
    Journey(
        name="comes back and chooses again",
        share=4,
        stream=(*_BACK, *_STAGED, "user.user_confirmed", *_SIGNED),
        progress=(0, 1, 2, 4),
        outcome="fallback",
        new_user=(3, 4),
        new_account="true",
    ),
    Journey(
        name="comes back and fails",
        share=8,
        stream=(*_BACK, *_PICKED, "generate_assertion", *_CLOSED),
        progress=(0, 1, 2),
        outcome="fail",
    ),
    Journey(
        name="comes back, chooses again and fails",
        share=3,
        stream=(*_BACK, *_STAGED, "user.user_confirmed", *_CLOSED),
        progress=(0, 1, 2),
        outcome="fail",
        new_account="true",
    ),
    Journey(
        name="comes back and leaves",
        share=8,
        stream=(*_BACK, *_SHOWN, *_CLOSED),
        progress=(0, 1),
        outcome="bounce",
    ),
    # Users of an identity provider.
    Journey(
        name="is new, by the provider",
        share=60,
        stream=(*_PROVISIONED, *_SIGNED, *_CLOSED),
        progress=(0, 1, 2, 4),
        outcome="idp",
        new_account="true",
        provider=True,
    ),
    Journey(
        name="is new, redirected to the provider",
        share=15,
        stream=(*_PRIMARY, *_SIGNED, *_CLOSED),
        progress=(0, 1, 2, 4),
        outcome="idp",
        new_account="true",
        provider=True,
    ),
    Journey(
        name="returns, by the provider",
        share=60,
        stream=(*_PROVISIONED, *_SIGNED, *_CLOSED),
        progress=(0, 1, 2, 4),
        outcome="assertion",
        provider=True,
    ),
    Journey(
        name="returns by the provider, newness unknown",
        share=3,
        stream=(*_PROVISIONED, *_SIGNED),
        progress=(0, 1, 2, 4),
        outcome="assertion",
        new_account="",
        provider=True,
    ),
    Journey(
        name="returns by the provider, newness null",
        share=3,
        stream=(*_PROVISIONED, *_SIGNED),
        progress=(0, 1, 2, 4),
        outcome="assertion",
        new_account="null",
        provider=True,
    ),
    Journey(
        name="is new by the provider, not provisioned",
        share=4,
        stream=(*_ASKED, "screen.verify_primary_user", *_SIGNED),
        progress=(0, 1, 2, 4),
        outcome="assertion",
        new_account="true",
        provider=True,
    ),
    Journey(
        name="does not return from the provider",
        share=20,
        stream=(*_PRIMARY, *_CLOSED),
        progress=(0, 1, 2),
        outcome="fail",
        new_account="true",
        provider=True,
    ),
    Journey(
        name="loses the provider, signs up",
        share=4,
        stream=(*_PROVISIONED, "screen.set_password", *_SIGNED),
        progress=(0, 1, 2, 4),
        outcome="fallback",
        new_user=(1, 4),
        new_account="true",
        provider=True,
    ),
    # Password resets.
    Journey(
        name="resets the password",
        share=14,
        stream=(*_RESET_DONE, *_SIGNED, *_CLOSED),
        progress=(0, 1, 2, 4),
        outcome="assertion",
        reset=(1, 2, 3),
    ),
    Journey(
        name="resets by choosing anew",
        share=4,
        stream=(
            *_ASKED,
            "screen.set_password",
            "user.reset_password_staged",
            "user.reset_password_confirmed",
            *_SIGNED,
            *_CLOSED,
        ),
        progress=(0, 1, 2, 4),
        outcome="fallback",
        new_user=(1, 4),
        reset=(1, 2, 3),
    ),
    Journey(
        name="does not finish the reset",
        share=10,
        stream=(*_RESET_STAGED, *_CLOSED),
        progress=(0, 1, 2),
        outcome="fail",
        reset=(1,),
    ),
    Journey(
        name="resets, and is not signed in",
        share=3,
        stream=(*_RESET_DONE, *_CLOSED),
        progress=(0, 1, 2),
        outcome="fail",
        reset=(1, 2),
    ),
    Journey(
        name="remembers during the reset",
        share=3,
        stream=(*_RESET_STAGED, *_SIGNED),
        progress=(0, 1, 2, 4),
        outcome="assertion",
        reset=(1, 3),
    ),
    Journey(
        name="comes back from the reset mail",
        share=3,
        stream=(*_BACK, *_RESET_DONE, *_SIGNED),
        progress=(0, 1, 2, 4),
        outcome="fallback",
        new_user=(3, 4),
        reset=(1, 2, 3),
    ),
    # A further e-mail address.
    Journey(
        name="adds an address",
        share=20,
        stream=(*_ADDING, "user.email_confirmed", *_SIGNED, *_CLOSED),
        progress=(0, 1, 2, 4),
        outcome="assertion",
        add_email=(1, 2),
    ),
    Journey(
        name="adds an address, uses another",
        share=12,
        stream=(*_ADDING, *_SIGNED, *_CLOSED),
        progress=(0, 1, 2, 4),
        outcome="assertion",
        add_email=(1,),
    ),
    Journey(
        name="does not finish adding an address",
        share=5,
        stream=(*_ADDING, *_CLOSED),
        progress=(0, 1, 2),
        outcome="fail",
        add_email=(1,),
    ),
    Journey(
        name="confirms an address of another dialog",
        share=3,
        stream=(*_PICKED, "user.email_confirmed", *_SIGNED),
        progress=(0, 1, 2, 4),
        outcome="assertion",
    ),
    # Dialogs that never reported being shown.
    Journey(
        name="engages unseen, signs in",
        share=8,
        stream=("screen.pick_email", *_SIGNED),
        progress=(0, 2, 4),
    ),
    Journey(
        name="engages unseen",
        share=4,
        stream=(*_LOADED, "authenticate.enter_password"),
        progress=(0, 2),
    ),
    Journey(
        name="sees only an error",
        share=4,
        stream=(*_LOADED, "screen.error.offline"),
        progress=(0, 3),
    ),
    Journey(name="never sees the dialog", share=6, stream=(*_LOADED, *_CLOSED), progress=(0,)),
    # No sign-in at all: ignored.
    Journey(name="empty stream", share=14, stream=None, extra='"event_stream":[]'),
    Journey(name="null stream", share=3, stream=None, extra='"event_stream":null'),
    Journey(name="no stream", share=3, stream=None),
    Journey(
        name="server-side metric",
        share=12,
        stream=None,
        new_account="",
        extra='"type":"verify","rp":"rp.example"',
    ),
)
"""Every journey that a simulated user can take."""

BY_NAME: Mapping[str, Journey] = MappingProxyType({one.name: one for one in JOURNEYS})
