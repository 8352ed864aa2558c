"""The wheel and the sdist hold all that the programs need, and work outside the checkout."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.deploy.compose import CHECKOUT


def pip(*arguments: str | Path) -> None:
    """Without an index and without build isolation: nothing here reaches the network."""
    subprocess.run(
        [sys.executable, "-m", "pip", *arguments, "--quiet", "--no-deps", "--no-index"],
        check=True,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )


@pytest.fixture(scope="session")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target=sdist", f"--directory={folder}"],
        check=True,
        cwd=CHECKOUT,
        capture_output=True,
    )
    (built,) = folder.glob("*.tar.gz")
    return built


@pytest.fixture(scope="session")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the sdist, so that this is complete too."""
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", sdist, "--no-build-isolation", f"--wheel-dir={folder}")
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's packages, to be put before everything else on Python's path."""
    folder = tmp_path_factory.mktemp("installed")
    pip("install", wheel, f"--target={folder}")
    return folder


def shipped() -> set[str]:
    """What git knows of the two packages."""
    listed = subprocess.run(
        ["/usr/bin/env", "git", "ls-files", "exporter", "fake_server"],
        check=True,
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
    )
    return set(listed.stdout.split())


def test_the_wheel_holds_every_file_of_both_packages(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())

    assert shipped() <= names
    assert {Path(name).suffix for name in shipped()} >= {".py", ".yaml", ".sql"}
    assert not [name for name in names if name.startswith(("tests", "docs", "deploy"))]


def test_the_sdist_holds_what_a_build_needs(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    assert shipped() | {"pyproject.toml", "constraints.txt", "LICENSE"} <= names


def run(installed: Path, directory: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", *command],
        check=False,
        cwd=directory,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(installed), "HOME": str(directory)},
    )


def test_the_installed_exporter_understands_a_configuration(
    installed: Path, tmp_path: Path
) -> None:
    """Which takes the definitions that come with the package."""
    (tmp_path / "kpi-exporter.yml").write_text(
        "data_server: {url: http://127.0.0.1:9/wsapi/interaction_data}\n"
    )

    where = run(installed, tmp_path, "-c", "import exporter; print(exporter.__file__)")
    checked = run(installed, tmp_path, "-m", "exporter", "check", "--config.file=kpi-exporter.yml")

    assert Path(where.stdout.strip()).is_relative_to(installed)
    assert checked.returncode == 0, checked.stderr
    assert "new_user" in checked.stdout


def test_the_installed_fake_server_starts(installed: Path, tmp_path: Path) -> None:
    assert run(installed, tmp_path, "-m", "fake_server", "--help").returncode == 0
