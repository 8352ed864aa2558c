"""What docs/how-to/tls.md tells its readers to write."""

import re
import subprocess
from pathlib import Path

import bcrypt
import pytest

from exporter.web.web_config import load
from tests.web.certificates import a_certificate

GUIDE = Path(__file__).parents[2] / "docs/how-to/tls.md"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The files of the guide, and those that they name."""
    for name in ("exporter", "clients", "prometheus"):
        a_certificate(name, authority=True).write(tmp_path, name)
    (tmp_path / "password").write_text("swordfish")
    for name, text in re.findall(r"```yaml\n# (\S+)\n(.*?)```", GUIDE.read_text(), re.DOTALL):
        (tmp_path / name).write_text(text)
    return tmp_path


def test_its_file_is_read(directory: Path) -> None:
    config = load(directory / "web.yml")
    assert config.tls is not None
    assert bcrypt.checkpw(b"swordfish", config.users["prometheus"].encode())
    assert config.headers == {"Strict-Transport-Security": "max-age=31536000"}


@pytest.mark.parametrize(
    ("check", "file"), [("web-config", "web.yml"), ("config", "prometheus.yml")]
)
def test_prometheus_agrees(directory: Path, promtool: Path, check: str, file: str) -> None:
    checked = subprocess.run(
        [promtool, "check", check, directory / file], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr + checked.stdout
