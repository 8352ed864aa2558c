"""The rules' unit tests as a cluster would feed them.

Each unit test is written for one exporter whose target has `job` and `instance`. In a cluster the
Prometheus Operator adds labels, there are two replicas, and pods are replaced by others under other
names. What the rules answer must be the same.
"""

import re
from collections.abc import Iterator
from typing import Any

_ITEM = re.compile(r"(?P<start>[^x+]+?)(?:(?P<step>[+-][\d.e]+)?x(?P<times>\d+))?")
_OPERATOR = 'namespace="kpi", container="kpi-exporter", endpoint="http", service="kpi-exporter"'


def in_a_cluster(document: dict[str, Any]) -> dict[str, Any]:
    """A file of unit tests, its series fed by two replicas of which the pods are replaced."""
    tests = [
        test
        | {
            "input_series": [
                made
                for each in test["input_series"]
                for made in _of_pods(each["series"], str(each["values"]))
            ]
        }
        for test in document["tests"]
        if len({_instance(each["series"]) for each in test["input_series"]}) == 1
    ]
    return document | {"tests": tests}


def _of_pods(series: str, text: str) -> Iterator[dict[str, str]]:
    """In the middle of the test the pod is replaced; a counter begins at 0 then.

    Of what all replicas count together, the second one's part is 0.
    """
    values = expanded(text)
    middle = len(values) // 2
    before, after = values[:middle], values[middle:]
    nothing = ["_" if each == "_" else "0" for each in values]
    counts = series.partition("{")[0].endswith("_total")
    if counts:
        after = _counted_anew(before, after)
    for replica in ("", "-twin"):
        for pod, part in (("old", before), ("new", ["_"] * middle + after)):
            shown = nothing[: len(part)] if counts and replica else part
            named = re.sub(r'instance="(.*?)"', rf'instance="\1-{pod}{replica}"', series)
            pod_label = f'pod="kpi-exporter-{_instance(named)}"'
            labelled = f"{named.removesuffix('}')}, {_OPERATOR}, {pod_label}}}"
            yield {"series": labelled, "values": " ".join(shown)}


def _counted_anew(before: list[str], after: list[str]) -> list[str]:
    """What a process that takes over counts, until the test restarts it anyway."""
    begun = last = next((float(each) for each in reversed(before) if each != "_"), 0.0)
    found = []
    for each in after:
        if each == "_":
            found.append(each)
            continue
        begun = 0.0 if float(each) < last else begun
        last = float(each)
        found.append(f"{last - begun:.15g}")
    return found


def _instance(series: str) -> str:
    found = re.search(r'instance="(.*?)"', series)
    assert found, series
    return found[1]


def expanded(values: str) -> list[str]:
    """The values of promtool's notation (`0+60x3 _x2 5`), one by one."""
    found: list[str] = []
    for item in values.split():
        match = _ITEM.fullmatch(item)
        assert match, item
        start, step, times = match["start"], match["step"], int(match["times"] or 0)
        if start == "_":
            found += ["_"] * max(times, 1)
        elif start == "stale":
            found.append(start)
        else:
            found += [f"{float(start) + n * float(step or 0):.15g}" for n in range(times + 1)]
    return found
