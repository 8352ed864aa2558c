"""Every counter has words of its own."""

from exporter.domain.layout import Layout
from exporter.domain.slot_names import what_is_counted
from tests.builders import persona


def test_no_two_counters_are_called_the_same() -> None:
    layout = Layout.of(persona())
    slots = range(layout.sites_histogram)

    words = [what_is_counted(layout, slot) for slot in slots]

    assert len(set(words)) == len(slots)
    assert not any("slot" in text for text in words)


def test_numbers_of_sites_are_counted_too() -> None:
    layout = Layout.of(persona())
    first = layout.sites_histogram

    assert what_is_counted(layout, first + 1) == "interactions of users signed in to 1 site"
    assert what_is_counted(layout, first + 12) == "interactions of users signed in to 12 sites"
    assert what_is_counted(layout, first) == f"what these definitions do not know (slot {first})"
