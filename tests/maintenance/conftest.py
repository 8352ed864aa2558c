"""What is done with a store is tested on the same stores as they are."""

from tests.stores.conftest import couchdb, evaluator, other_evaluator, place, store

__all__ = ["couchdb", "evaluator", "other_evaluator", "place", "store"]
