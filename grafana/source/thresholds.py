"""The numbers that alerts compare with, read from where they stand: one place for both."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """What panels are coloured by. Ratios 0 to 1, ages in seconds.

    `runbooks` is where they are published, empty where that is no address.
    """

    bounce_ratio: float
    abandonment_ratio: float
    import_age_seconds: float
    snapshot_age_seconds: float
    runbooks: str

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read `prometheus/rules/thresholds.yml`; raises `KeyError` for one that is gone."""
        rules = [
            rule
            for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
            for rule in group["rules"]
        ]
        numbers = {
            (rule["record"], rule.get("labels", {}).get("ratio")): rule["expr"] for rule in rules
        }
        (links,) = (rule["labels"] for rule in rules if rule["record"] == "global:kpi_links:info")
        runbooks = links["runbooks"]
        return cls(
            bounce_ratio=_number(numbers["ratio:kpi_failure_ratio:threshold", "bounce"]),
            abandonment_ratio=_number(numbers["ratio:kpi_failure_ratio:threshold", "abandonment"]),
            import_age_seconds=_number(numbers["global:kpi_import_age_seconds:threshold", None]),
            snapshot_age_seconds=_number(
                numbers["global:kpi_snapshot_age_seconds:threshold", None]
            ),
            runbooks=runbooks if "://" in runbooks else "",
        )


def _number(expression: Any) -> float:
    return float(str(expression).removeprefix("vector(").removesuffix(")"))
