"""One cause makes one page: real Prometheus, real Alertmanager, exporters that come and go."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import requests
import yaml

from testing.processes import answers, running, unused_port
from testing.rulebook import PROMETHEUS, RULE_FILES, read_yaml
from testing.waiting import WAIT_SECONDS, eventually
from tests.prometheus.neighbours import exporter, pager

NINE_OF_TEN_BOUNCE = """\
kpi_snapshot_timestamp_seconds NOW
kpi_exporter_import_last_success_timestamp_seconds NOW
kpi_source_up 1
kpi_store_up 1
kpi_dialogs{window="1d",outcome="bounce"} 900
kpi_dialogs{window="1d",outcome="assertion"} 100
kpi_bounces_signed_in{window="1d"} 0
kpi_segment_dialogs{window="1d",segmentation="OS",segment="Linux",outcome="bounce"} 450
kpi_segment_dialogs{window="1d",segmentation="OS",segment="Linux",outcome="assertion"} 50
kpi_segment_bounces_signed_in{window="1d",segmentation="OS",segment="Linux"} 0
kpi_segment_bounce_ratio{window="30d",segmentation="OS",segment="Linux"} 0.2
kpi_segment_abandonment_ratio{window="30d",segmentation="OS",segment="Linux"} 0.2
"""


@contextmanager
def alertmanager_running(program: Path, directory: Path, pager_address: str) -> Iterator[str]:
    """The Alertmanager configuration as shipped, but in a hurry and with a pager."""
    directory.mkdir()
    configuration = read_yaml(PROMETHEUS / "alertmanager.yml")
    configuration["route"] |= {"group_wait": "4s", "group_interval": "1s"}
    for receiver in configuration["receivers"]:
        receiver["webhook_configs"] = [{"url": f"http://{pager_address}/{receiver['name']}"}]
    (directory / "alertmanager.yml").write_text(yaml.safe_dump(configuration))
    address = f"127.0.0.1:{unused_port()}"
    with running(
        program,
        "--config.file=alertmanager.yml",
        "--storage.path=alerts",
        "--cluster.listen-address=",
        f"--web.listen-address={address}",
        ready=lambda: answers(f"http://{address}/-/ready"),
        directory=directory,
    ):
        yield address


@contextmanager
def prometheus_running(
    program: Path, directory: Path, *, exporters: list[str], alertmanager: str
) -> Iterator[str]:
    """Prometheus' configuration and rules as shipped, but in a hurry."""
    (directory / "rules").mkdir(parents=True)
    for path in RULE_FILES:
        text = re.sub(r"^( +for:) .+$", r"\1 0s", path.read_text(), flags=re.MULTILINE)
        (directory / "rules" / path.name).write_text(text)
    configuration = read_yaml(PROMETHEUS / "prometheus.yml")
    configuration["global"] = dict.fromkeys(
        ("scrape_interval", "scrape_timeout", "evaluation_interval"), "1s"
    )
    (alerting,) = configuration["alerting"]["alertmanagers"]
    alerting["static_configs"] = [{"targets": [alertmanager]}]
    (job,) = (
        each for each in configuration["scrape_configs"] if each["job_name"] == "kpi-exporter"
    )
    job["static_configs"] = [{"targets": exporters}]
    configuration["scrape_configs"] = [job]
    (directory / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    address = f"127.0.0.1:{unused_port()}"
    with running(
        program,
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=tsdb",
        f"--web.listen-address={address}",
        ready=lambda: answers(f"http://{address}/-/ready"),
        directory=directory,
    ):
        yield address


def states(alertmanager: str) -> dict[str, str]:
    """The alerts that Alertmanager holds: `active`, or `suppressed` by another."""
    held = requests.get(f"http://{alertmanager}/api/v2/alerts", timeout=WAIT_SECONDS).json()
    found = [
        (alert["labels"]["alertname"], alert["status"]["state"])
        for alert in held
        if alert["labels"]["alertname"] != "KpiAlertsBlind"  # these exporters have one window
    ]
    assert len(found) == len(dict(found)), "two exporters, two alerts"
    return dict(found)


def test_one_cause_makes_one_page(prometheus: Path, alertmanager: Path, tmp_path: Path) -> None:
    pages: list[dict[str, Any]] = []
    with (
        exporter(NINE_OF_TEN_BOUNCE) as first,
        exporter(NINE_OF_TEN_BOUNCE) as second,
        pager(pages) as pager_address,
        alertmanager_running(alertmanager, tmp_path / "alertmanager", pager_address) as watcher,
        prometheus_running(
            prometheus, tmp_path / "prometheus", exporters=[first, second], alertmanager=watcher
        ),
    ):
        (page, *more) = eventually(lambda: [p for p in pages if p["receiver"] == "pager"])
        held = states(watcher)

    assert more == []
    assert page["receiver"] == "pager"
    (alert,) = page["alerts"]
    assert alert["labels"]["alertname"] == "KpiBounceRateHigh"
    assert alert["annotations"]["description"].startswith("90% of the dialogs shown in the last 1d")
    assert alert["annotations"]["runbook_url"] == "docs/runbooks/KpiBounceRateHigh.md"
    assert held == {
        "KpiBounceRateHigh": "active",
        "KpiAbandonmentHigh": "suppressed",
        "KpiSegmentBounceRateHigh": "suppressed",
        "KpiSegmentAbandonmentHigh": "suppressed",
    }


def test_an_exporter_that_is_gone_silences_all_else(
    prometheus: Path, alertmanager: Path, tmp_path: Path
) -> None:
    with (
        ExitStack() as there,
        pager([]) as pager_address,
        alertmanager_running(alertmanager, tmp_path / "alertmanager", pager_address) as watcher,
        prometheus_running(
            prometheus,
            tmp_path / "prometheus",
            exporters=[there.enter_context(exporter(NINE_OF_TEN_BOUNCE))],
            alertmanager=watcher,
        ),
    ):
        eventually(lambda: states(watcher).get("KpiBounceRateHigh") == "active")
        there.close()
        eventually(lambda: states(watcher)["KpiBounceRateHigh"] == "suppressed")
        held = states(watcher)

    assert held.pop("KpiExporterDown") == "active"
    assert held.keys() >= {"KpiBounceRateHigh", "KpiAbandonmentHigh"}, "kept firing"
    assert set(held.values()) == {"suppressed"}
