"""Counting: one set of definitions at work, from rows to tallies."""

from collections.abc import Iterable, Sequence

from exporter.domain.classify.classifier import Classification, Classifier, SitesValue
from exporter.domain.definitions import Definitions
from exporter.domain.interaction import Interaction, Row, StoredInteraction
from exporter.domain.layout import Layout
from exporter.domain.tally import Tally, tally

_ANY_TIME_MS = 1 << 62  # what was stored was believed once


class Evaluator:
    """Reads rows and counts interactions under one set of definitions.

    `digest` names the definitions; a store keeps tallies under different digests apart.
    What it remembers only saves work, so several threads may use it at once.
    """

    def __init__(self, definitions: Definitions) -> None:
        self.definitions = definitions
        self.digest: str = definitions.digest
        self._reader = Classifier(definitions)
        self.layout: Layout = self._reader.layout

    def read(self, rows: Iterable[Row], newest_ms: int) -> list[Classification]:
        """Return what each row is; `newest_ms` is the latest timestamp that is believed."""
        read = self._reader.read
        return [read(row, newest_ms) for row in rows]

    def tally(self, interactions: Sequence[Interaction]) -> Tally:
        """Count interactions that this counting read."""
        return tally(self.layout, (interaction.facts for interaction in interactions))

    def reread(self, stored: Iterable[StoredInteraction]) -> list[Interaction]:
        """Read interactions as they lie in a store, whatever they were first read under."""
        read = self._reader.read
        verdicts = [read(Row(s.id, s.raw), _ANY_TIME_MS, stored=True) for s in stored]
        return [verdict for verdict in verdicts if isinstance(verdict, Interaction)]

    def segment_and_value(
        self, segmentation: str, interaction: Interaction
    ) -> tuple[str, str | None]:
        """Return the interaction's segment, and the value that its field has, None without one."""
        place = [of.name for of in self.definitions.segmentations].index(segmentation) + 1
        segment = self.layout.segments[interaction.facts.segment_indexes[place]]
        return segment[1], self._reader.value(segmentation, interaction.raw)

    def sites_value(self, interaction: Interaction) -> SitesValue | None:
        """Return what the interaction's number of sites is read from; None if it has none."""
        return self._reader.sites_value(interaction.raw)

    def tally_stored(self, stored: Iterable[StoredInteraction]) -> Tally:
        """Count interactions as they lie in a store."""
        return self.tally(self.reread(stored))
