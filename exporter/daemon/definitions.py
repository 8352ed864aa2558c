"""The definitions that the daemon exposes, and their change without a gap."""

import structlog

from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.definitions import Definitions
from exporter.ingest.definitions import use_definitions
from exporter.ports import DefinitionStore, RebuildProgress


class ActiveDefinitions:
    """The definitions whose tallies are read, and those that are pending until rebuilt.

    Those that are configured, before `use`. `readable`: whether the tallies are those of the stored
    rows; if not, there is nothing to expose until they are rebuilt. Every method raises
    `StoreError`. The caller sees to it that nobody reads the store during `use` and `activate`.
    """

    def __init__(self, configured: Definitions) -> None:
        self._log = structlog.get_logger()
        self.active = Evaluator(configured)
        self.pending: Evaluator | None = None
        self.readable = True

    def are(self, configured: Definitions) -> bool:
        """Return whether these definitions are active, or pending."""
        return configured.digest == (self.pending or self.active).digest

    def use(self, store: DefinitionStore, configured: Definitions) -> None:
        """Count under these definitions; until all tallies are rebuilt, the old stay active."""
        self.active, self.pending = use_definitions(store, configured)
        self.readable = store.is_readable()
        if self.pending is not None and self.pending.digest != self.active.digest:
            self._log.info(
                "definitions changed, rebuilding tallies",
                before=self.active.digest,
                after=self.pending.digest,
            )

    def must_be_used_anew(self, store: DefinitionStore) -> bool:
        """Return whether tallies were found wrong since `use`."""
        return self.pending is None and store.must_rebuild()

    def rebuild(self, store: DefinitionStore) -> RebuildProgress:
        """Rebuild a bounded portion of the tallies under the pending definitions."""
        progress = store.rebuild()
        self._log.debug("rebuilding tallies", done=progress.done, total=progress.total)
        return progress

    def activate(self, store: DefinitionStore) -> None:
        """Activate the pending definitions, once all tallies are rebuilt."""
        if self.pending is not None:
            store.activate()
            self.active, self.pending = self.pending, None
            self.readable = True
            self._log.info("definitions active", definitions=self.active.digest)
