"""Write prometheus/rules from prometheus/source, and the same rules as Kubernetes' PrometheusRule.

    python prometheus/generate.py
    python prometheus/generate.py --service-labels=job,namespace --output=my-rules

What identifies a service stands here and nowhere else: `job`, and what you add. Every other label
of a target (instance, pod, container, ...) comes and goes with its process, so the rules aggregate
it away. In a source file `@service` stands for those labels, `@target` for those that tell one
process from another, `@stale` for the exporters that are behind another. A rule that names
`@{week}` is written once for each of the past four weeks, one that names `@{lookback}` once for
each length in `LOOKBACKS`, one that names `@{ratio}` once for each of `RATIOS`, one that names
`@{quick}` once for each of `QUICK_WINDOWS`.
"""

import re
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from string import Template

import yaml

SERVICE_LABELS = ("job",)
TARGET_LABELS = ("instance", "pod")
_WEEKS = ("1", "2", "3", "4")
LOOKBACKS = {"20m": 1_200, "2h": 7_200, "6h": 21_600, "1d": 86_400, "3d": 259_200}
"""Seconds by name."""
RATIOS = {
    "bounce": ("bounce", ".+"),
    "abandonment": ("bounce", ".+"),
    "sign_in_failure": ("fail", ".+"),
    "new_user_failure": ("bounce|fail", "bounce|fail|idp|fallback"),
}
"""Outcomes that are failures, and those that are trials, where days are measured by them."""
QUICK_WINDOWS = ("1h", "30m")
"""In which a total failure is found; half an hour is put together from the counts of hours."""

_HERE = Path(__file__).parent
_MANIFEST = _HERE.parent / "deploy/kubernetes/base/prometheusrule.yaml"
_BLOCK = re.compile(r"(?m)^(?= +- (?:record|alert):)")
_NOTE = "# Written by prometheus/generate.py from prometheus/source; edit that.\n"


class _At(Template):
    delimiter = "@"


_STALE = _At(
    "kpi_snapshot_timestamp_seconds"
    " < on (@service) group_left () max by (@service) (kpi_snapshot_timestamp_seconds)"
)


def rules(source: str, service_labels: Sequence[str] = SERVICE_LABELS) -> str:
    """Return a rule file, given the text of its source."""
    service = ", ".join(service_labels)
    labels = {
        "service": service,
        "target": ", ".join((*service_labels, *TARGET_LABELS)),
        "stale": _STALE.substitute(service=service),
    }
    return "".join(
        _At(block).substitute(labels | chosen)
        for block in _BLOCK.split(source)
        for chosen in _repetitions(block)
    )


def _repetitions(block: str) -> Iterator[dict[str, str]]:
    weeks = _WEEKS if "@{week}" in block else ("",)
    lookbacks = LOOKBACKS if "@{lookback}" in block else {"": 0}
    ratios = RATIOS if "@{ratio}" in block else {"": ("", "")}
    quick_windows = QUICK_WINDOWS if "@{quick}" in block else ("",)
    for week, lookback, ratio, quick in product(weeks, lookbacks, ratios, quick_windows):
        failures, trials = ratios[ratio]
        yield {
            "week": week,
            "lookback": lookback,
            "seconds": str(lookbacks[lookback]),
            "ratio": ratio,
            "failures": failures,
            "trials": trials,
            "quick": quick,
        }


def manifest(files: Sequence[str]) -> str:
    """Return the PrometheusRule with the groups of all rule files, given their texts."""
    groups = [group for text in files for group in yaml.safe_load(text)["groups"]]
    return _NOTE.replace("prometheus/source", "prometheus/source and thresholds.yml") + (
        yaml.safe_dump(
            {
                "apiVersion": "monitoring.coreos.com/v1",
                "kind": "PrometheusRule",
                "metadata": {"name": "kpi-exporter"},
                "spec": {"groups": groups},
            },
            allow_unicode=True,
            sort_keys=False,
            width=100,
        )
    )


def main() -> int:
    """Write the rule files and the manifest."""
    parser = ArgumentParser(description="Write the Prometheus rules.")
    parser.add_argument(
        "--service-labels",
        default=",".join(SERVICE_LABELS),
        help="labels that together identify a service, `job` among them (default: %(default)s)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        help="a directory for the rules and the manifest; default: where the project has them",
    )
    arguments = parser.parse_args()
    labels = [label.strip() for label in arguments.service_labels.split(",")]
    if "job" not in labels or any(
        not re.fullmatch("[a-zA-Z_][a-zA-Z0-9_]*", one) for one in labels
    ):
        parser.error(f"--service-labels: expected label names with job among them, found {labels}")
    directory = arguments.output or _HERE / "rules"
    directory.mkdir(parents=True, exist_ok=True)
    made = {"thresholds.yml": (_HERE / "rules/thresholds.yml").read_text(encoding="utf-8")}
    for path in (_HERE / "source").glob("*.yml"):
        made[path.name] = _NOTE + rules(path.read_text(encoding="utf-8"), labels)
    for name, text in made.items():
        (directory / name).write_text(text, encoding="utf-8")
    path = arguments.output / "prometheusrule.yaml" if arguments.output else _MANIFEST
    path.write_text(manifest([made[name] for name in sorted(made)]), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
