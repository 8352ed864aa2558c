"""Secrets: a first run needs no step, a second one is a single command."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploy.compose import CHECKOUT

MARK = "only-for-trying"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the script needs; it must not touch the real checkout."""
    shutil.copytree(CHECKOUT / "deploy/docker", tmp_path / "deploy/docker")
    return tmp_path


def make_secrets(checkout: Path) -> str:
    script = checkout / "deploy/docker/make_secrets.sh"
    return subprocess.run([script], check=True, capture_output=True, text=True).stdout


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_what_a_first_run_uses_says_what_it_is() -> None:
    examples = contents(CHECKOUT / "deploy/docker/secrets-for-trying")

    assert set(examples.values()) == {MARK}


def test_secrets_are_random_and_there_is_one_for_each_example(checkout: Path) -> None:
    make_secrets(checkout)

    made = contents(checkout / "secrets")
    assert set(made) == set(contents(checkout / "deploy/docker/secrets-for-trying"))
    assert len(set(made.values())) == len(made)
    assert all(len(secret) == 48 for secret in made.values())


def test_only_their_owner_reaches_them(checkout: Path) -> None:
    make_secrets(checkout)

    assert (checkout / "secrets").stat().st_mode & 0o777 == 0o700


def test_compose_is_told_where_they_are(checkout: Path) -> None:
    (checkout / ".env").write_text("GRAFANA_PORT=3001\n")

    make_secrets(checkout)

    assert (checkout / ".env").read_text() == "GRAFANA_PORT=3001\nKPI_SECRETS_DIR=./secrets\n"


def test_a_second_run_changes_nothing(checkout: Path) -> None:
    make_secrets(checkout)
    before = contents(checkout / "secrets"), (checkout / ".env").read_text()

    make_secrets(checkout)

    assert (contents(checkout / "secrets"), (checkout / ".env").read_text()) == before


def test_no_secret_is_shown(checkout: Path) -> None:
    said = make_secrets(checkout)

    assert not [secret for secret in contents(checkout / "secrets").values() if secret in said]


def test_git_and_docker_leave_them_alone() -> None:
    assert "secrets/" in (CHECKOUT / ".gitignore").read_text().splitlines()
    assert ".env" in (CHECKOUT / ".gitignore").read_text().splitlines()
