"""What people call the parts of a configuration: their titles, or their names made readable."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from exporter.config.values import Configuration
from exporter.domain.titles import readable


@dataclass(frozen=True, slots=True, kw_only=True)
class Titles:
    """Titles of all flows, segmentations and durations, by name."""

    flows: Mapping[str, str]
    segmentations: Mapping[str, str]
    durations: Mapping[str, str]

    @classmethod
    def of(cls, configuration: Configuration) -> Self:
        """Take what is configured, else the name made readable."""
        definitions, titles = configuration.definitions, configuration.titles
        return cls(
            flows={
                one.name: titles.flows.get(one.name, readable(one.name))
                for one in definitions.flows
            },
            segmentations={
                one.name: titles.segmentations.get(one.name, readable(one.name))
                for one in definitions.segmentations
            },
            durations={
                one.name: titles.durations.get(one.name, readable(one.name))
                for one in definitions.durations
            },
        )
