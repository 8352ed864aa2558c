"""Which definitions a store's tallies have: the active ones, and pending ones to be rebuilt."""

from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.definitions import Definitions
from exporter.ports import DefinitionStore, stored_definitions


def use_definitions(
    store: DefinitionStore, configured: Definitions
) -> tuple[Evaluator, Evaluator | None]:
    """Set a store to count under the configured definitions; return those active and pending.

    In a new store the configured ones are active. Where the store's differ, those stay active and
    the configured are pending until all tallies are rebuilt; so they are where the tallies must be
    rebuilt for another reason. Raises `StoreError`.
    """
    new = Evaluator(configured)
    stored = store.active_definitions()
    if stored is None or stored == configured.to_json():
        active, pending = new, None
    else:
        active, pending = Evaluator(stored_definitions(stored)), new
    store.use_definitions(active, pending)
    return active, new if store.must_rebuild() else pending


def rebuild_all(store: DefinitionStore) -> None:
    """Rebuild all tallies under the pending definitions, and make these active."""
    while not store.rebuild().finished:
        pass
    store.activate()
