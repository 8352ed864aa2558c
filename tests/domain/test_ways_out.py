"""Sign-ins that leave the page, steps aside, truth values, and cases of letters."""

import json

import pytest

from exporter.config import load
from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.interaction import Interaction, Row
from exporter.domain.kpis import KPIS
from exporter.domain.layout import TOTAL_ROW
from exporter.domain.tally import Counts, tally
from tests.builders import ANY_TIME_MS, AT, ms, persona
from tests.domain.reading import blob, counted, values

SERVICE = load(
    """
data_server: {url: 'http://127.0.0.1/'}
flows:
  sign_in:
    steps:
      - {name: Shown, event: form.shown}
      - {name: Engaged, contains: method.}
      - {name: Error, event: error, aside: true}
      - {name: Signed in, event: session.created}
outcomes:
  shown: {flow: sign_in, step: Shown}
  engaged: {flow: sign_in, step: Engaged}
  signed_in: {event: session.created}
  idp: {field: new_user, equals: true}
  continued: {contains: method.social, excludes: [session.created]}
  continuation: {any_of: [social.returned, mail.link_opened]}
segmentations:
  Mobile: {field: client.mobile, segments: ["true", "false"]}
  Visits: {field: visits, segments: ["1"]}
""",
    {},
).definitions


def read(*events: str, **fields: object) -> Interaction:
    content = {"timestamp": ms(AT), "event_stream": [[name, 0] for name in events], **fields}
    (found,) = Evaluator(SERVICE).read([Row("an id", json.dumps(content).encode())], ANY_TIME_MS)
    assert isinstance(found, Interaction)
    return found


def counts(*interactions: Interaction) -> Counts:
    found = tally(Evaluator(SERVICE).layout, (one.facts for one in interactions))
    return {key[1:]: of for key, of in found.items()}[TOTAL_ROW]


def outcomes(*interactions: Interaction) -> dict[str, float]:
    computed = KPIS["dialogs"].compute(Evaluator(SERVICE).layout, counts(*interactions))
    return {outcome: number.value for (outcome,), number in computed if number.value}


@pytest.mark.parametrize(
    ("events", "fields", "outcome"),
    [
        (("form.shown",), {}, "bounce"),
        (("form.shown", "method.social.a"), {}, "continued"),
        (("method.social.a",), {}, None),
        (("form.shown", "method.password"), {}, "fail"),
        (("form.shown", "method.social.a", "session.created"), {}, "assertion"),
        (("social.returned",), {}, "fail"),
        (("social.returned", "session.created"), {}, "assertion"),
        (("social.returned", "session.created"), {"new_user": True}, "idp"),
        (("form.shown", "mail.link_opened", "session.created"), {"new_user": True}, "idp"),
        (("form.shown", "social.returned", "method.social.b"), {}, "fail"),
    ],
)
def test_whoever_leaves_on_purpose_is_judged_when_they_come_back(
    events: tuple[str, ...], fields: dict[str, object], outcome: str | None
) -> None:
    assert outcomes(read(*events, **fields)) == ({} if outcome is None else {outcome: 1})


def test_the_second_half_is_no_second_shown_dialog() -> None:
    found = counts(
        read("form.shown", "method.social.a"), read("social.returned", "session.created")
    )
    ((_, bounce),) = KPIS["bounce_ratio"].compute(Evaluator(SERVICE).layout, found)
    assert (bounce.numerator, bounce.denominator) == (0, 1)


def test_definitions_without_continuations_have_no_such_outcome() -> None:
    layout = Evaluator(persona()).layout
    assert [labels for labels, _ in KPIS["dialogs"].compute(layout, {})] == [
        ("bounce",),
        ("fail",),
        ("assertion",),
        ("fallback",),
        ("idp",),
    ]


def test_a_step_aside_is_counted_and_is_no_neighbour() -> None:
    layout = Evaluator(SERVICE).layout
    found = counts(
        read("form.shown", "method.a", "error"),
        read("form.shown", "method.a", "session.created"),
    )
    steps = {labels[1]: n.value for labels, n in KPIS["flow_step_ratio"].compute(layout, found)}
    lost = {
        labels[1]: n.value for labels, n in KPIS["flow_step_dropoff_ratio"].compute(layout, found)
    }
    assert steps == {"Shown": 1, "Engaged": 1, "Error": 0.5, "Signed in": 0.5}
    assert lost == {"Engaged": 0, "Signed in": 0.5}


@pytest.mark.parametrize(
    ("value", "segment"),
    [(True, "true"), (False, "false"), ("true", "true"), (1, "Other"), (None, "Other")],
)
def test_truth_values_have_their_segment(value: object, segment: str) -> None:
    for mobile in (value, 1, True, value):  # one and true are equal in Python
        one = read("a", client={"mobile": mobile})
        index = one.facts.segment_indexes[1]
    assert Evaluator(SERVICE).layout.segments[index] == ("Mobile", segment)


def test_one_is_not_true() -> None:
    layout = Evaluator(SERVICE).layout
    found = [layout.segments[read("a", visits=v).facts.segment_indexes[2]] for v in (1, True, 1.0)]
    assert found == [("Visits", "1"), ("Visits", "Other"), ("Visits", "1")]


def test_locales_are_looked_up_whatever_the_case() -> None:
    languages = ("pt-br", "PT-BR", "En", "en-us")
    found = counted([blob("a", lang=language) for language in languages])
    attempts = {
        segment: values("sign_in_attempts", of)
        for (name, segment), of in found.items()
        if name == "Locale" and of
    }
    assert attempts == {
        "Portuguese - Brazil": {(): 2},
        "English": {(): 1},
        "Other": {(): 1},
    }
