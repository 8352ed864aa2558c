"""The guides docker.md, systemd.md and kubernetes.md: their commands run, their files are accepted.

What would change this machine or need another one (docker, kubectl, systemctl …) is played by a
program that writes down how it was called, and what was called is held to the files it is about.
`make docker-test` does the real thing.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from exporter.config import load
from tests.deploy.compose import CHECKOUT, CLUSTER, SINGLE, services

GUIDES = {
    name: CHECKOUT / f"docs/how-to/{name}" for name in ("docker.md", "systemd.md", "kubernetes.md")
}
PLAYED = ("apt-get", "docker", "git", "kpi-exporter", "kubectl", "pip", "pipx", "systemctl")
WRITES_DOWN = '#!/bin/sh\nprintf "%s\\t" "$(basename "$0")" "$@" >> "$CALLS"\necho >> "$CALLS"\n'


def blocks(guide: str, language: str) -> list[str]:
    text = GUIDES[guide].read_text(encoding="utf-8")
    fence = re.compile(rf"^( *)```{language}\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
    return [
        re.sub(rf"^{indent}", "", block, flags=re.MULTILINE)
        for indent, block in fence.findall(text)
    ]


def follow(guide: str, folder: Path) -> list[list[str]]:
    """Run every command of a guide in order, in a copy of the checkout; give what was called."""
    copy = folder / "checkout"
    shutil.copytree(
        CHECKOUT,
        copy,
        ignore=shutil.ignore_patterns(".*_cache", ".cache", ".git", ".venv", "tests", "secrets"),
    )
    (copy / "pagerduty-key").write_text("key")
    programs = folder / "programs"
    programs.mkdir()
    for name in PLAYED:
        (programs / name).write_text(WRITES_DOWN)
        (programs / name).chmod(0o755)
    (folder / "etc/systemd/system").mkdir(parents=True)
    script = "set -eu\n" + "".join(blocks(guide, "sh"))
    for pattern, replacement in (
        (r"^python3 -m venv \S+$", ":"),
        (r"^\S+/bin/(pip|kpi-exporter) ", r"\1 "),
        (r"(?<= )/etc/", f"{folder}/etc/"),  # this machine's own stays as it is
        (r"^\.venv/bin/python ", f"{sys.executable} "),
    ):
        script = re.sub(pattern, replacement, script, flags=re.MULTILINE)
    done = subprocess.run(
        ["/bin/sh", "-c", script],
        cwd=copy,
        env={"PATH": f"{programs}:{os.environ['PATH']}", "CALLS": str(folder / "calls")},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    lines = (folder / "calls").read_text().splitlines()
    return [line.rstrip("\t").split("\t") for line in lines]


# What follows Compose's command but names no service: programs and their arguments.
ARGUMENTS = {"backfill", "check", "openmetrics", "promtool", "tsdb"}


def test_what_is_asked_of_compose_is_there(tmp_path: Path) -> None:
    calls = [call for call in follow("docker.md", tmp_path) if call[:2] == ["docker", "compose"]]

    assert {command for call in calls for command in call} >= {"up", "down", "exec", "run"}
    for call in calls:
        files = tuple(call[n + 1] for n, word in enumerate(call) if word == "--file")
        assert files in {(), CLUSTER}
        words = [word for word in call[2:] if re.fullmatch(r"[a-z]+(_[a-z0-9]+)?", word)]
        assert set(words[1:]) <= {*services(CLUSTER), *ARGUMENTS}, call


def test_the_systemd_guide_installs_what_the_unit_starts(tmp_path: Path) -> None:
    calls = follow("systemd.md", tmp_path)

    configuration = tmp_path / "etc/kpi-exporter/kpi-exporter.yml"
    source = load(configuration, {}).data_server
    assert source is not None
    assert source.url.startswith("https://")
    assert (tmp_path / "etc/systemd/system/kpi-exporter.service").is_file()
    assert ["systemctl", "enable", "--now", "kpi-exporter"] in calls
    assert ["pipx", "install", "."] in calls


def test_the_kubernetes_guide_applies_a_copy_that_kustomize_can_build(tmp_path: Path) -> None:
    calls = follow("kubernetes.md", tmp_path)

    applied = [call[call.index("-k") + 1] for call in calls if "-k" in call]
    assert applied == ["deploy/kubernetes/mine"]
    assert (tmp_path / "checkout" / applied[0] / "kustomization.yaml").is_file()


@pytest.mark.parametrize("guide", GUIDES)
def test_configurations_are_accepted(guide: str, tmp_path: Path) -> None:
    (tmp_path / "couchdb_password").write_text("swordfish")
    schema = json.loads((CHECKOUT / "tests/deploy/schemas/compose-spec.json").read_text())
    for number, text in enumerate(blocks(guide, "yaml")):
        if "services" in yaml.safe_load(text):
            document = yaml.safe_load(text)
            jsonschema.Draft202012Validator(schema).validate(document)
            assert set(document["services"]) <= set(services(SINGLE))
        else:
            file = tmp_path / f"{number}.yml"
            file.write_text(text)
            load(file, {"CREDENTIALS_DIRECTORY": str(tmp_path)})


def test_settings_are_ones_that_compose_reads() -> None:
    explained = re.findall(r"^#(\w+)=", (CHECKOUT / ".env.example").read_text(), re.MULTILINE)
    for text in blocks("docker.md", "ini"):
        assert set(re.findall(r"^(\w+)=", text, re.MULTILINE)) <= set(explained)
