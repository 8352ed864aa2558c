"""Words: what a counter counts, for people."""

from exporter.domain.histogram import (
    DURATION_BUCKETS,
    EXACT_SITES,
    SITES_BUCKETS,
    duration_range_ms,
    sites_range,
)
from exporter.domain.layout import Layout

_SECOND_MS = 1_000


def what_is_counted(layout: Layout, slot: int) -> str:
    """Return what a slot of this layout counts."""
    named = {
        layout.attempts: "interactions",
        layout.bounces_signed_in: "bounces that were signed in",
        layout.sites: "sites signed in to, added up",
    }
    named |= {slot: f"dialogs that ended as {outcome}" for outcome, slot in layout.outcomes.items()}
    for flow, steps in layout.steps.items():
        named |= {slot: f"interactions of {flow} at {step!r}" for step, slot in steps.items()}
    named |= {
        slots.interactions: f"interactions with a duration {name}"
        for name, slots in layout.durations.items()
    }
    if slot in named:
        return named[slot]
    for name, slots in layout.durations.items():
        if 0 <= slot - slots.buckets < DURATION_BUCKETS:
            return f"interactions with a {name} of {duration_words(slot - slots.buckets)}"
    sites = slot - layout.sites_histogram
    if sites > 0:
        words = "1 site" if sites == 1 else f"{sites_words(sites)} sites"
        return f"interactions of users signed in to {words}"
    return f"what these definitions do not know (slot {slot})"


def duration_words(bucket: int) -> str:
    """Return which durations a bucket holds."""
    low, high = duration_range_ms(bucket)
    if bucket == 0:
        return "less than 1 ms"
    if bucket == 1:
        return "1 ms"
    if high < _SECOND_MS:
        return f"{low:.4g} to {high:.4g} ms"
    return f"{low / _SECOND_MS:,.2f} to {high / _SECOND_MS:,.2f} s"


def sites_words(bucket: int) -> str:
    """Return which numbers of sites a bucket holds."""
    if EXACT_SITES < bucket < SITES_BUCKETS:
        low, high = sites_range(bucket)
        return f"{low:,} to {high:,}"
    return f"{bucket}"
