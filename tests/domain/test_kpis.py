"""KPIs of any interactions against the naive computation; what a tally is, however it came."""

from collections import Counter
from math import isnan, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.domain.kpis import KPIS, Unit
from exporter.domain.layout import TOTAL_ROW
from exporter.domain.tally import Tally, merge, tally
from tests.builders import persona
from tests.domain import naive
from tests.domain.reading import blob, counted, interaction, reader, total, values

EVENTS = (
    "screen.rp_info",
    "assertion_generated",
    "screen.set_password",
    "authenticate.enter_password",
    "screen.provision_primary_user",
    "screen.pick_email",
    "staging_continuation",
    "user.user_staged",
    "user.user_confirmed",
    "user.email_staged",
    "user.email_confirmed",
    "user.reset_password_staged",
    "screen.error.offline",
    "window.unload",
)
SITES = st.one_of(st.none(), st.integers(0, 4), st.integers(0, 1_000))
BLOBS: st.SearchStrategy[dict[str, Any]] = st.builds(
    lambda shown, names, new, lang, sites: blob(
        *(["screen.rp_info"] * shown or ["xhr"]),
        *names,
        new_account=new,
        lang=lang,
        **dict(zip(naive.SITES, sites, strict=True)),
    ),
    st.booleans(),
    st.sets(st.sampled_from(EVENTS)).map(sorted),
    st.sampled_from([True, False, None]),
    st.sampled_from(["en", "de", "tlh"]),
    st.tuples(SITES, SITES, SITES),
)
MANY = st.lists(BLOBS, max_size=25)
SEGMENTS = {"en": "English", "de": "German", "tlh": "Other"}


def same(one: float, other: float) -> bool:
    return one == pytest.approx(other, abs=1e-12, nan_ok=True)


@given(MANY)
def test_every_kpi_equals_the_naive_one(blobs: list[dict[str, Any]]) -> None:
    of_all = counted(blobs)[TOTAL_ROW]

    for name, compute in naive.KPIS.items():
        assert same(values(name, of_all)[()], compute(blobs)), name


@given(MANY)
def test_every_kpi_of_a_segment_equals_the_naive_one_of_its_blobs(
    blobs: list[dict[str, Any]],
) -> None:
    found = counted(blobs)

    for lang, segment in SEGMENTS.items():
        own = [one for one in blobs if one["lang"] == lang]
        for name, compute in naive.KPIS.items():
            assert same(values(name, found["Locale", segment])[()], compute(own)), (name, segment)


@given(MANY)
def test_additional_emails_equal_the_naive_ones(blobs: list[dict[str, Any]]) -> None:
    of_all = counted(blobs)[TOTAL_ROW]
    steps = values("flow_step_interactions", of_all)
    staged, confirmed, activated = naive.additional_emails(blobs)

    assert steps["add_email", "1 - Email staged"] == staged
    assert steps["add_email", "2 - Email confirmed"] == confirmed
    assert same(values("flow_completion_ratio", of_all)[("add_email",)], activated)


@given(MANY)
def test_outcomes_add_up_to_the_shown_dialogs(blobs: list[dict[str, Any]]) -> None:
    of_all = counted(blobs)[TOTAL_ROW]
    dialogs = values("dialogs", of_all)

    assert sum(dialogs.values()) == naive.number(blobs, naive.is_shown)
    assert dialogs[("bounce",)] == naive.number(blobs, naive.bounced)
    assert dialogs[("fail",)] == naive.number(blobs, naive.failed)
    assert dialogs[("fallback",)] + dialogs[("idp",)] == naive.number(blobs, naive.is_new)


@given(MANY)
def test_of_a_ratio_both_parts_are_kept(blobs: list[dict[str, Any]]) -> None:
    of_all = counted(blobs)[TOTAL_ROW]

    for kpi in KPIS.values():
        for _, number in kpi.compute(reader().layout, of_all):
            if number.denominator is None:
                continue
            expected = number.numerator / number.denominator if number.denominator else nan
            assert same(number.value, expected)
            assert number.denominator >= 0


@given(MANY, st.randoms(use_true_random=False))
def test_a_tally_does_not_depend_on_order_or_portions(
    blobs: list[dict[str, Any]], random: Any
) -> None:
    layout = reader().layout
    facts = [interaction(one).facts for one in blobs]
    whole = tally(layout, facts)
    random.shuffle(facts)
    cut = random.randint(0, len(facts))

    parts: Tally = {}
    merge(parts, tally(layout, facts[:cut]))
    merge(parts, tally(layout, facts[cut:]))
    assert parts == whole

    merge(parts, tally(layout, facts[:cut]), -1)
    assert parts == tally(layout, facts[cut:])


@given(MANY)
def test_segments_of_every_segmentation_add_up_to_the_total(blobs: list[dict[str, Any]]) -> None:
    found = counted(blobs)
    of_all = Counter(found[TOTAL_ROW])

    for segmentation in persona().segmentations:
        added = Counter[int]()
        for (name, _), of in found.items():
            if name == segmentation.name:
                added.update(of)
        assert added == of_all


def test_without_interactions_counts_are_0_and_ratios_undefined() -> None:
    for name, kpi in KPIS.items():
        for number in total(name).values():
            undefined = kpi.unit in {Unit.RATIO, Unit.SITES, Unit.SECONDS}
            assert isnan(number) if undefined else number == 0


def test_a_dropoff_is_the_share_of_the_step_before() -> None:
    flow = [
        blob("screen.set_password"),
        blob("screen.set_password", "user.user_staged"),
        blob("screen.set_password", "user.user_staged", "user.user_confirmed"),
        blob("screen.set_password", "user.user_confirmed"),
    ]
    found = total("flow_step_dropoff_ratio", *flow)

    assert {step[0]: share for (name, step), share in found.items() if name == "new_user"} == {
        "2": 0.5,
        "3": 0.0,
        "4": 1.0,
    }


def test_a_later_step_may_have_more_than_the_first() -> None:
    continued = [blob("staging_continuation", "assertion_generated")] * 2
    found = total("flow_completion_ratio", blob("screen.set_password"), *continued)

    assert found[("new_user",)] == 2
