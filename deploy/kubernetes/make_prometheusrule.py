"""Print the rules of prometheus/rules/ as the PrometheusRule that Kubernetes wants.

    python deploy/kubernetes/make_prometheusrule.py > deploy/kubernetes/base/prometheusrule.yaml

The rules stand once, in prometheus/rules/; a test fails while the manifest differs from them.
"""

import sys
from pathlib import Path

import yaml

RULES = Path(__file__).parents[2] / "prometheus/rules"
HEADER = "# Made by deploy/kubernetes/make_prometheusrule.py from prometheus/rules/; edit those.\n"


def manifest(rules: Path) -> str:
    """The groups of all rule files in the folder, in the order of the files' names."""
    groups = [
        group
        for file in sorted(rules.glob("*.yml"))
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
    ]
    return HEADER + yaml.safe_dump(
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


if __name__ == "__main__":
    sys.stdout.write(manifest(RULES))
