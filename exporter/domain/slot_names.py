"""Words: what a counter counts, for people."""

from exporter.domain.layout import Layout


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
    if slot in named:
        return named[slot]
    sites = slot - layout.sites_histogram
    if sites > 0:
        return f"interactions of users signed in to {sites} {'site' if sites == 1 else 'sites'}"
    return f"what these definitions do not know (slot {slot})"
