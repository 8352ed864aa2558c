"""The manifests hold to Kubernetes' schemas, and to what the rest of the project says."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.deploy.compose import CHECKOUT

BASE = CHECKOUT / "deploy/kubernetes/base"
EXAMPLE = CHECKOUT / "deploy/kubernetes/example"
SCHEMAS: dict[str, Any] = json.loads(
    (CHECKOUT / "tests/deploy/schemas/kubernetes.json").read_text(encoding="utf-8")
)


def manifests() -> Iterator[tuple[str, dict[str, Any]]]:
    for folder in (BASE, EXAMPLE):
        for name in kustomization(folder)["resources"]:
            if (folder / name).is_file():
                yield name, yaml.safe_load((folder / name).read_text(encoding="utf-8"))


def kustomization(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((folder / "kustomization.yaml").read_text())
    return loaded


def errors(document: dict[str, Any]) -> list[str]:
    """What the schema of the document's kind has against it."""
    group = document["apiVersion"].rpartition("/")[0].split(".")[0]
    version = document["apiVersion"].rpartition("/")[2]
    ending = f".{group or 'core'}.{version}.{document['kind']}"
    known = [name for name in SCHEMAS["$defs"] if name.endswith(ending)]
    assert len(known) == 1, f"no schema for {ending}"
    validator = jsonschema.Draft202012Validator({**SCHEMAS, "$ref": f"#/$defs/{known[0]}"})
    return [error.message for error in validator.iter_errors(document)]


MANIFESTS = dict(manifests())


@pytest.mark.parametrize("name", sorted(MANIFESTS))
def test_a_manifest_is_what_kubernetes_takes(name: str) -> None:
    assert errors(MANIFESTS[name]) == []


def test_a_field_that_kubernetes_does_not_know_is_noticed() -> None:
    assert errors({"apiVersion": "v1", "kind": "Service", "spec": {"prots": []}})


def test_every_manifest_is_applied() -> None:
    for folder in (BASE, EXAMPLE):
        present = {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml"}
        assert present == {
            name for name in kustomization(folder)["resources"] if name.endswith(".yaml")
        }


def test_kustomize_builds_the_example() -> None:
    kubectl = shutil.which("kubectl")
    if not kubectl:
        pytest.skip("kubectl is missing; as root: apt-get install kubernetes-client")
    built = subprocess.run(
        [kubectl, "kustomize", EXAMPLE], check=True, capture_output=True, text=True
    ).stdout
    documents = list(yaml.safe_load_all(built))

    assert {document["kind"] for document in documents} == {
        "ConfigMap",
        "Deployment",
        "Namespace",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "PrometheusRule",
        "Secret",
        "Service",
        "ServiceAccount",
        "ServiceMonitor",
    }
    assert [error for document in documents for error in errors(document)] == []
    deployment = next(each for each in documents if each["kind"] == "Deployment")
    volumes = json.dumps(deployment["spec"]["template"]["spec"]["volumes"])
    for document in documents:
        if document["kind"] in {"ConfigMap", "Secret"}:
            assert document["metadata"]["name"] in volumes, "generated, but not mounted"


def test_prometheus_keeps_of_a_pod_what_the_rules_need() -> None:
    (endpoint,) = MANIFESTS["servicemonitor.yaml"]["spec"]["endpoints"]
    (dropped,) = endpoint["relabelings"]

    assert dropped["action"] == "labeldrop"
    for label in ("pod", "container", "endpoint", "service"):
        assert re.fullmatch(dropped["regex"], label)
    for label in ("job", "namespace", "instance"):
        assert not re.fullmatch(dropped["regex"], label)


def test_everything_means_the_same_pods() -> None:
    label = {"app.kubernetes.io/name": "kpi-exporter"}
    template = MANIFESTS["deployment.yaml"]["spec"]["template"]

    assert template["metadata"]["labels"] == label
    assert MANIFESTS["deployment.yaml"]["spec"]["selector"]["matchLabels"] == label
    assert MANIFESTS["service.yaml"]["spec"]["selector"] == label
    assert MANIFESTS["service.yaml"]["metadata"]["labels"] == label
    for name in ("poddisruptionbudget.yaml", "servicemonitor.yaml"):
        assert MANIFESTS[name]["spec"]["selector"]["matchLabels"] == label
    assert MANIFESTS["networkpolicy.yaml"]["spec"]["podSelector"]["matchLabels"] == label
    assert template["spec"]["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"] == label


def test_the_service_is_named_as_the_job_that_the_rules_know() -> None:
    jobs = yaml.safe_load((CHECKOUT / "prometheus/prometheus.yml").read_text())["scrape_configs"]

    assert MANIFESTS["service.yaml"]["metadata"]["name"] in {job["job_name"] for job in jobs}


def test_the_pod_runs_what_the_image_is_made_for() -> None:
    dockerfile = (CHECKOUT / "Dockerfile").read_text()
    user = re.search(r"^USER (\d+):(\d+)$", dockerfile, re.MULTILINE)
    port = re.search(r"^EXPOSE (\d+)$", dockerfile, re.MULTILINE)
    assert user
    assert port
    spec = MANIFESTS["deployment.yaml"]["spec"]["template"]["spec"]
    container = spec["containers"][0]

    assert spec["securityContext"]["runAsUser"] == int(user[1])
    assert spec["securityContext"]["runAsGroup"] == int(user[2])
    assert container["ports"] == [
        {"name": "http", "containerPort": int(port[1])},
        {"name": "collect", "containerPort": 3435},
    ]
    assert "command" not in container
    assert "args" not in container
    mounted = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    assert f"{mounted['configuration']}/kpi-exporter.yml" in dockerfile


def test_a_pod_of_the_strictest_profile_is_let_in() -> None:
    spec = MANIFESTS["deployment.yaml"]["spec"]["template"]["spec"]
    container = spec["containers"][0]["securityContext"]

    assert MANIFESTS["namespace.yaml"]["metadata"]["labels"] == {
        "pod-security.kubernetes.io/enforce": "restricted"
    }
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["allowPrivilegeEscalation"] is False
    assert container["capabilities"] == {"drop": ["ALL"]}
    assert container["readOnlyRootFilesystem"] is True


def test_what_collects_has_a_service_of_its_own_that_reaches_no_metrics() -> None:
    service, metrics = MANIFESTS["service-collect.yaml"], MANIFESTS["service.yaml"]

    assert [port["targetPort"] for port in service["spec"]["ports"]] == ["collect"]
    assert service["spec"]["selector"] == metrics["spec"]["selector"]
    selected = MANIFESTS["servicemonitor.yaml"]["spec"]["selector"]["matchLabels"]
    assert selected.items() <= metrics["metadata"]["labels"].items()
    assert not selected.items() <= service["metadata"]["labels"].items()
