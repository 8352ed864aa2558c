"""Segmentations: each blob has exactly one segment in each."""

from typing import Any

import pytest

from tests.builders import persona
from tests.domain.reading import blob, counted, segments, values

NEW_USER = ("screen.set_password",)
RESET = ("user.reset_password_staged",)
CONTINUED = ("staging_continuation", "assertion_generated")
ABANDONED = ("staging_continuation",)


@pytest.mark.parametrize(
    ("segmentation", "fields", "segment"),
    [
        ("OS", {"user_agent": {"os": "Linux"}}, "Linux"),
        ("OS", {"user_agent": {"os": "Windows NT 6.2"}}, "Windows 8"),
        ("OS", {"user_agent": {"os": "Windows NT 6.1"}}, "Windows 7"),
        ("OS", {"user_agent": {"os": "Windows NT 6.0"}}, "Windows Vista"),
        ("OS", {"user_agent": {"os": "Windows NT 5.1"}}, "Windows XP"),
        ("OS", {"user_agent": {"os": "Windows NT 5.2"}}, "Other"),
        ("OS", {"user_agent": {"os": "iPod"}}, "iOS"),
        ("OS", {"user_agent": {"os": "iPhone"}}, "iOS"),
        ("OS", {"user_agent": {"os": "iPad"}}, "iOS"),
        ("OS", {"user_agent": {"os": "linux"}}, "Other"),
        ("OS", {"user_agent": {"os": "Other"}}, "Other"),
        ("OS", {"user_agent": {}}, "Other"),
        ("OS", {}, "Other"),
        ("OS", {"os": "Linux"}, "Other"),
        ("Browser", {"user_agent": {"browser": "MSIE"}}, "MSIE"),
        ("Browser", {"user_agent": {"browser": "Opera"}}, "Other"),
        ("Screen", {"screen_size": {"width": 1024}}, "Desktop (>= 1024)"),
        ("Screen", {"screen_size": {"width": 1023}}, "Tablet Profile"),
        ("Screen", {"screen_size": {"width": 1023.5}}, "Tablet Profile"),
        ("Screen", {"screen_size": {"width": 641}}, "Tablet Profile"),
        ("Screen", {"screen_size": {"width": 640}}, "Mobile (<= 640)"),
        ("Screen", {"screen_size": {"width": 0}}, "Mobile (<= 640)"),
        ("Screen", {"screen_size": {"width": "1280"}}, "Desktop (>= 1024)"),
        ("Screen", {"screen_size": {"width": "wide"}}, "Other"),
        ("Screen", {"screen_size": {"height": 800}}, "Other"),
        ("Emails", {"number_emails": 0}, "0"),
        ("Emails", {"number_emails": 1}, "1"),
        ("Emails", {"number_emails": 2}, "2"),
        ("Emails", {"number_emails": 3}, "3+"),
        ("Emails", {"number_emails": 4_000}, "3+"),
        ("Emails", {"number_emails": "2"}, "2"),
        ("Emails", {"number_emails": 2.0}, "2"),
        ("Emails", {"number_emails": 1.5}, "Other"),
        ("Emails", {"number_emails": -1}, "Other"),
        ("Emails", {}, "Other"),
        ("Locale", {"lang": "en"}, "English"),
        ("Locale", {"lang": "pt-BR"}, "Portuguese - Brazil"),
        ("Locale", {"lang": "en-US"}, "Other"),
        ("Locale", {"lang": "English"}, "English"),
        ("API", {"rp_api": "get"}, "get"),
        ("API", {"rp_api": "watch_without_onready"}, "watch"),
        ("API", {"rp_api": "watch_with_onready"}, "watch with onready"),
        ("API", {"rp_api": "stateless"}, "Other"),
        ("EmailType", {"email_type": "primary"}, "IdP"),
        ("EmailType", {"email_type": "secondary"}, "Fallback"),
        ("EmailType", {}, "Other"),
    ],
)
def test_a_value_has_its_segment(segmentation: str, fields: dict[str, Any], segment: str) -> None:
    assert segments(blob("screen.rp_info", **fields))[segmentation] == segment


@pytest.mark.parametrize(
    ("events", "segment"),
    [
        (NEW_USER, "Fallback"),
        (RESET, "Fallback"),
        (CONTINUED, "Fallback"),
        (ABANDONED, "IdP"),
        ((*NEW_USER, "authenticate.enter_password"), "IdP"),
        (("user.email_staged",), "IdP"),
    ],
)
def test_who_has_new_user_or_reset_steps_is_of_type_fallback(
    events: tuple[str, ...], segment: str
) -> None:
    assert segments(blob(*events, email_type="primary"))["EmailType"] == segment


def test_every_blob_has_one_segment_in_each_segmentation() -> None:
    names = {s.name for s in persona().segmentations}

    assert segments(blob("screen.rp_info")).keys() == names


def test_segments_of_a_segmentation_add_up_to_the_total() -> None:
    blobs = [blob("screen.rp_info", lang=lang) for lang in ("en", "de", "tlh", None)]
    found = counted(blobs)

    by_locale = {
        segment: n
        for (name, segment), of in found.items()
        if name == "Locale" and (n := values("sign_in_attempts", of)[()])
    }
    assert by_locale == {"English": 1, "German": 1, "Other": 2}
