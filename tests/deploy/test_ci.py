"""What the continuous integration runs, and what it may do."""

import re
import tomllib
from typing import Any

import pytest
import yaml

from tests.deploy.compose import CHECKOUT

WORKFLOW = CHECKOUT / ".github/workflows/ci.yml"
JOBS: dict[str, dict[str, Any]] = yaml.safe_load(WORKFLOW.read_text("utf-8"))["jobs"]


def test_it_tests_every_python_that_the_package_names() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))

    assert JOBS["test"]["strategy"]["matrix"]["python"] == named
    assert JOBS["test"]["steps"][-1] == {"run": ".ci/run"}


@pytest.mark.parametrize("name", JOBS)
def test_a_job_may_read_the_repository_and_nothing_else(name: str) -> None:
    assert yaml.safe_load(WORKFLOW.read_text("utf-8"))["permissions"] == {}
    assert JOBS[name]["permissions"] == {"contents": "read"}


def test_actions_are_pinned_to_a_commit_beside_their_version() -> None:
    used = re.findall(r"uses: (.*)", WORKFLOW.read_text("utf-8"))

    assert used
    assert [one for one in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v[\d.]+", one)] == []


def test_updates_are_looked_for_wherever_versions_are_pinned() -> None:
    updates = yaml.safe_load((CHECKOUT / ".github/dependabot.yml").read_text("utf-8"))["updates"]

    assert {one["package-ecosystem"] for one in updates} == {
        "pip",
        "github-actions",
        "docker",
        "docker-compose",
    }
