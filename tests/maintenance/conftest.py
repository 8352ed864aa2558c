"""What is done with a store is tested on the same stores as they are."""

from tests.stores.conftest import evaluator, other_evaluator, place, store

__all__ = ["evaluator", "other_evaluator", "place", "store"]
