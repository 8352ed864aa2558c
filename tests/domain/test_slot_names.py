"""Every counter has words of its own."""

from exporter.domain.histogram import SITES_BUCKETS
from exporter.domain.layout import Layout
from exporter.domain.slot_names import what_is_counted
from tests.builders import persona


def test_no_two_counters_are_called_the_same() -> None:
    layout = Layout.of(persona())
    first = layout.sites_histogram
    slots = [*range(first), *range(first + 1, first + SITES_BUCKETS)]

    words = [what_is_counted(layout, slot) for slot in slots]

    assert len(set(words)) == len(slots)
    assert not any("slot" in text for text in words)


def test_numbers_of_sites_are_counted_too() -> None:
    layout = Layout.of(persona())
    first = layout.sites_histogram

    assert what_is_counted(layout, first + 1) == "interactions of users signed in to 1 site"
    assert what_is_counted(layout, first + 1_001) == (
        "interactions of users signed in to 1,001 to 1,103 sites"
    )
    assert what_is_counted(layout, first + 12) == "interactions of users signed in to 12 sites"
    assert what_is_counted(layout, first) == f"what these definitions do not know (slot {first})"


def test_durations_are_counted_in_all_and_by_bucket() -> None:
    layout = Layout.of(persona())
    interactions, buckets = layout.durations["sign_in"]

    assert what_is_counted(layout, interactions) == "interactions with a duration sign_in"
    assert what_is_counted(layout, buckets) == "interactions with a sign_in of less than 1 ms"
    assert what_is_counted(layout, buckets + 60).endswith("sign_in of 331.9 to 366.8 ms")
    assert what_is_counted(layout, buckets + 100).endswith("sign_in of 18.18 to 20.10 s")
