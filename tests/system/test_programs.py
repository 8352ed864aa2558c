"""The programs that the other tests lean on do what those expect of them."""

import subprocess
from pathlib import Path

import requests

from testing.processes import answers, running


def test_promtool_tells_good_metrics_from_bad(promtool: Path) -> None:
    def verdict(text: str) -> int:
        return subprocess.run(
            [str(promtool), "check", "metrics"], check=False, input=text, text=True
        ).returncode

    assert (
        verdict("# HELP kpi_source_up Whether.\n# TYPE kpi_source_up gauge\nkpi_source_up 1\n") == 0
    )
    assert verdict("kpi_source_up\n") != 0


def test_prometheus_starts_beside_whatever_else_runs(
    prometheus: Path, free_port: int, tmp_path: Path
) -> None:
    (tmp_path / "prometheus.yml").write_text("scrape_configs: []\n")
    url = f"http://127.0.0.1:{free_port}"
    with running(
        prometheus,
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=tsdb",
        f"--web.listen-address=127.0.0.1:{free_port}",
        ready=lambda: answers(f"{url}/-/ready"),
        directory=tmp_path,
    ):
        answer = requests.get(f"{url}/api/v1/query", params={"query": "1 + 1"}, timeout=5).json()

    assert answer["data"]["result"][1] == "2"


def test_alertmanager_accepts_alerts(alertmanager: Path, free_port: int, tmp_path: Path) -> None:
    (tmp_path / "alertmanager.yml").write_text(
        "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"
    )
    url = f"http://127.0.0.1:{free_port}"
    with running(
        alertmanager,
        "--config.file=alertmanager.yml",
        "--storage.path=alerts",
        "--cluster.listen-address=",
        f"--web.listen-address=127.0.0.1:{free_port}",
        ready=lambda: answers(f"{url}/-/ready"),
        directory=tmp_path,
    ):
        alert = {"labels": {"alertname": "KpiBounceRateHigh"}}
        requests.post(f"{url}/api/v2/alerts", json=[alert], timeout=5).raise_for_status()
        held = requests.get(f"{url}/api/v2/alerts", timeout=5).json()

    assert [each["labels"] for each in held] == [alert["labels"]]


def test_chromium_renders_a_page(chromium: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<p id=a></p><script>a.textContent = 6 * 7</script>")

    rendered = subprocess.run(
        [
            chromium,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        check=True,
    )

    assert '<p id="a">42</p>' in rendered.stdout


def test_couchdb_api_stores_documents_and_refuses_conflicts(pouchdb_server: str) -> None:
    database = f"{pouchdb_server}/test_programs"
    requests.put(database, timeout=5).raise_for_status()
    try:
        write = {"docs": [{"_id": "a"}, {"_id": "b"}]}
        first = requests.post(f"{database}/_bulk_docs", json=write, timeout=5).json()
        again = requests.post(f"{database}/_bulk_docs", json=write, timeout=5).json()
    finally:
        requests.delete(database, timeout=5).raise_for_status()

    assert [row["ok"] for row in first] == [True, True]
    assert [row["error"] for row in again] == ["conflict", "conflict"]
