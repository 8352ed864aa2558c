"""Whether the number that is followed as sites can be counted, going by what is stored."""

from collections.abc import Iterable
from itertools import islice

from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.histogram import MOST_SITES
from exporter.domain.interaction import StoredInteraction

LOOKED_AT = 1_000  # interactions


def unusable_sites(interactions: Iterable[StoredInteraction], evaluator: Evaluator) -> str:
    """Return what is wrong with the field, if most of its values count as 0; else nothing."""
    given = unusable = 0
    example = ""
    for interaction in evaluator.reread(islice(interactions, LOOKED_AT)):
        value = evaluator.sites_value(interaction)
        if value is not None:
            given += 1
            if not value.usable:
                unusable += 1
                example = example or value.text
    if unusable * 2 <= given:
        return ""
    return (
        f"expected whole numbers from 0 to {MOST_SITES:,}, found {example} and the like in"
        f" {unusable:,} of {given:,} interactions that are stored: they count as 0"
    )
