"""A sign-in service that this package knows nothing of, defined in YAML alone, is counted right."""

import json
from pathlib import Path
from typing import Any

from exporter.config import load
from exporter.domain.classify.classifier import Classifier
from exporter.domain.interaction import Interaction, Row
from exporter.domain.kpis import KPIS
from exporter.domain.tally import Counts, Key, tally

MORNING_MS = 1_767_258_000_000  # 2026-01-01T09:00Z
HOUR = MORNING_MS // 3_600_000

ASKED = ["page.choice", "browser.create"]
VISITS: list[dict[str, Any]] = [
    # looked at the page's choice and left
    {"events": ["page.choice"], "visitor": "returning"},
    # signed in by a cookie, without the choice
    {"events": ["session.started"], "visitor": "known", "passkeys": 2},
    # enrolled with the laptop's fingerprint reader, and used it
    {
        "events": [*ASKED, "passkey.made", "passkey.stored", "session.started"],
        "authenticator": {"attachment": "platform"},
        "attempts": 1,
        "passkeys": 1,
        "visitor": "known",
    },
    # enrolled with a key over USB, which was refused at last
    {
        "events": [*ASKED, "passkey.made", "passkey.stored", "passkey.rejected"],
        "authenticator": {"attachment": None, "transport": "usb"},
        "attempts": "3",
    },
    # let the browser's dialog time out, five times
    {"events": [*ASKED, "browser.error.NotAllowedError"], "attempts": 5},
    # came back from the phone, where the passkey was stored
    {
        "events": ["page.choice", "browser.get", "phone.returned", "passkey.stored"],
        "authenticator": {"transport": "hybrid"},
    },
    # came back from the phone, and nothing had happened there
    {"events": [*ASKED, "phone.returned"], "visitor": "new"},
    # signed in with a passkey that was there
    {
        "events": ["page.choice", "browser.get", "session.started"],
        "authenticator": {"attachment": "cross-platform"},
        "attempts": 2,
        "passkeys": 4,
        "visitor": "returning",
    },
    # signed in for the first time through a company's account
    {
        "events": ["page.choice", "browser.get", "session.started"],
        "account": {"federated": True},
        "visitor": "stranger",
    },
    # the same, where the field is no truth value
    {
        "events": ["page.choice", "browser.get", "session.started"],
        "account": {"federated": "true"},
    },
]


def row(n: int, visit: dict[str, Any]) -> Row:
    fields = {key: value for key, value in visit.items() if key != "events"}
    stream = [[name, 100 * n] for n, name in enumerate(visit["events"])]
    blob = {"timestamp": MORNING_MS + n, "event_stream": stream, **fields}
    return Row(f"visit-{n}", json.dumps(blob).encode())


READER = Classifier(load(Path(__file__).parent / "good" / "webauthn.yaml", {}).definitions)


def counted() -> dict[tuple[str, str], Counts]:
    verdicts = [READER.read(row(n, visit), MORNING_MS * 2) for n, visit in enumerate(VISITS)]
    facts = [verdict.facts for verdict in verdicts if isinstance(verdict, Interaction)]
    assert len(facts) == len(VISITS)
    found = tally(READER.layout, facts)
    return {place: found.get(Key(HOUR, *place), {}) for place in READER.layout.segments}


def numbers(kpi: str, of: Counts) -> dict[tuple[str, ...], float]:
    return {labels: number.value for labels, number in KPIS[kpi].compute(READER.layout, of)}


def attempts(segmentation: str) -> dict[str, float]:
    return {
        segment: numbers("sign_in_attempts", of)[()]
        for (name, segment), of in counted().items()
        if name == segmentation
    }


def test_steps_are_reached_by_the_services_own_events() -> None:
    assert numbers("flow_step_interactions", counted()["", "Total"]) == {
        ("progress", "0 - Page loaded"): 10,
        ("progress", "1 - Choice shown"): 9,
        ("progress", "2 - Browser asked"): 8,
        ("progress", "3 - Browser refused"): 1,
        ("progress", "4 - Signed in"): 5,
        ("enrolment", "1 - Browser asked"): 3,
        ("enrolment", "2 - Made"): 2,
        ("enrolment", "3 - Stored"): 2,
        ("enrolment", "4 - Used"): 2,
    }


def test_dialogs_end_as_the_services_own_rules_say() -> None:
    assert numbers("dialogs", counted()["", "Total"]) == {
        ("bounce",): 1,
        ("fail",): 4,
        ("fallback",): 1,
        ("idp",): 1,
        ("assertion",): 2,
    }


def test_ratios_follow() -> None:
    total = counted()["", "Total"]
    assert numbers("bounce_ratio", total)[()] == 1 / 9
    assert numbers("new_user_success_ratio", total)[()] == 2 / 7
    assert numbers("sites_signed_in_mean", total)[()] == 7 / 10


def test_segments_come_from_the_first_field_with_a_value_through_aliases() -> None:
    assert attempts("Authenticator") == {"platform": 1, "cross-platform": 3, "Other": 6}


def test_segments_come_from_ranges_of_numbers_and_strings_that_hold_some() -> None:
    assert attempts("Attempts") == {"1": 1, "2 or 3": 2, "4 or more": 1, "Other": 6}


def test_who_belongs_to_a_flow_has_its_segment_whatever_the_field_says() -> None:
    assert attempts("Visitor") == {"new": 5, "known": 3, "Other": 2}
