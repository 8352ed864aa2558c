"""docs/how-to/collect.md: its nginx, before an exporter that collects."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import urllib3

from testing.collecting import blob, collecting, write_collect_config
from testing.processes import running, unused_port
from testing.waiting import eventually
from tests.web.certificates import a_certificate

GUIDE = Path(__file__).parents[3] / "docs/how-to/collect.md"
PAGE = Path(__file__).parents[3] / "exporter/commands/sign_in"


@pytest.fixture
def nginx() -> str:
    found = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if found is None:
        pytest.skip("nginx is missing; as root: apt-get install nginx-light")
    return found


def configured(folder: Path, collector: str) -> tuple[Path, str]:
    """The guide's server, with this machine's paths and ports; its address."""
    (server,) = re.findall(r"```nginx\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    port = unused_port()
    server = (
        server.replace("listen 443", f"listen 127.0.0.1:{port}")
        .replace("http://127.0.0.1:3435", collector)
        .replace("/etc/nginx/tls/login.example.org", str(folder / "login"))
        .replace("/srv/sign-in", str(folder / "page"))
    )
    shutil.copytree(PAGE, folder / "page")
    certificate = a_certificate("login", authority=True)
    certificate.write(folder, "login")
    paths = "\n".join(
        f"{kind}_temp_path {folder / kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = folder / "nginx.conf"
    config.write_text(
        f"daemon off;\nuser root;\npid {folder / 'pid'};\nerror_log {folder / 'error.log'};\n"
        f"events {{}}\nhttp {{\naccess_log {folder / 'access.log'};\n{paths}\n{server}}}\n"
    )
    return config, f"https://127.0.0.1:{port}"


@pytest.fixture
def site(nginx: str, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address that browsers see, and nginx's folder."""
    config = write_collect_config(tmp_path)
    with collecting(config) as exporter:
        folder = tmp_path / "nginx"
        folder.mkdir()
        file, address = configured(folder, exporter.url.removesuffix("/wsapi/interaction_data"))
        checked = subprocess.run(
            [nginx, "-t", "-c", file, "-p", folder], capture_output=True, text=True, check=False
        )
        assert checked.returncode == 0, checked.stderr

        def up() -> bool:
            try:
                return requests.get(address, verify=False, timeout=5).ok  # noqa: S501
            except requests.RequestException:
                return False

        with running(nginx, "-c", file, "-p", folder, ready=up, directory=folder):
            yield address, folder
            eventually(lambda: exporter.daemon.metric("kpi_store_interactions") == 1)


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_a_page_behind_it_posts_by_tls_and_reaches_nothing_else(site: tuple[str, Path]) -> None:
    urllib3.disable_warnings()
    address, folder = site
    session = requests.Session()
    session.trust_env = session.verify = False
    url = f"{address}/wsapi/interaction_data"

    posted = session.post(url, data=json.dumps(blob()), headers={"Content-Type": "text/plain"})
    large = session.post(url, data=b"[" * (1024 * 1024 + 1))

    assert (posted.status_code, posted.text) == (201, "ok")
    assert large.status_code == 413
    assert session.get(url).status_code == 403
    assert session.get(f"{address}/metrics").status_code == 404
    assert "sign in" in session.get(f"{address}/index.html").text.lower()
    assert "/wsapi/interaction_data" not in (folder / "access.log").read_text()
