"""`docker compose up` works and is safe to leave running, as far as files can tell."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest

from exporter.config import load
from tests.deploy.compose import (
    CHECKOUT,
    CLUSTER,
    SINGLE,
    defaults,
    filled_in,
    mounts,
    read,
    services,
)

STACKS = pytest.mark.parametrize("files", [SINGLE, CLUSTER], ids=["single", "cluster"])

# Where each program listens; the official images' own ports, and ours.
PORTS = {
    "alertmanager": {9093},
    "collector": {3434, 3435},
    "couchdb": {5984, 17986},
    "exporter": {3434},
    "fake_server": {3435},
    "grafana": {3000},
    "prometheus": {9090},
}


def ports_of(service: str) -> set[int]:
    """A further one of a kind, such as `couchdb_2`, listens where the first does."""
    return PORTS[re.sub(r"_\d$", "", service)]


@pytest.mark.parametrize("name", CLUSTER)
def test_the_compose_specification_allows_it(name: str) -> None:
    schema = json.loads((CHECKOUT / "tests/deploy/schemas/compose-spec.json").read_text())

    jsonschema.Draft202012Validator(schema).validate(read(name))


def test_a_key_that_compose_does_not_know_is_noticed() -> None:
    schema = json.loads((CHECKOUT / "tests/deploy/schemas/compose-spec.json").read_text())
    document = read("docker-compose.yml")
    document["services"]["exporter"]["restrat"] = "always"

    with pytest.raises(jsonschema.ValidationError, match="restrat"):
        jsonschema.Draft202012Validator(schema).validate(document)


@STACKS
def test_compose_itself_understands_it(files: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "env").touch()  # in place of a user's own .env
    flags = [f"--env-file={tmp_path / 'env'}", *(f"--file={name}" for name in files)]
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) and not _run(*command, "version").returncode:
            configured = _run(*command, *flags, "config", "--quiet")
            assert configured.returncode == 0, configured.stderr
            return
    pytest.skip("Compose is missing; as root: apt-get install docker-compose")


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=CHECKOUT, check=False, capture_output=True, text=True)


@STACKS
def test_whatever_is_mounted_exists(files: tuple[str, ...]) -> None:
    volumes = {volume for name in files for volume in read(name)["volumes"]}
    for service in services(files).values():
        for source in mounts(service).values():
            assert source in volumes or (CHECKOUT / source).exists(), source
    for name in files:
        for secret in read(name)["secrets"].values():
            assert (CHECKOUT / secret["file"]).is_file()


@STACKS
def test_whatever_a_service_refers_to_is_declared(files: tuple[str, ...]) -> None:
    declared = {
        kind: {key for name in files for key in read(name).get(kind, {})}
        for kind in ("networks", "secrets", "volumes")
    }
    stack = services(files)
    for service in stack.values():
        assert set(service["networks"]) <= declared["networks"]
        assert set(service.get("secrets", [])) <= declared["secrets"]
        assert set(service.get("depends_on", {})) <= set(stack)
        named = {source for source in mounts(service).values() if not source.startswith(".")}
        assert named <= declared["volumes"]


@STACKS
def test_every_service_is_confined(files: tuple[str, ...]) -> None:
    for name, service in services(files).items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["mem_limit"], name
        assert service["pids_limit"], name
        assert {"max-size", "max-file"} <= set(service["logging"]["options"]), name
        one_shot = name == "couchdb_setup"
        assert service["restart"] == ("on-failure" if one_shot else "unless-stopped"), name
        assert not service.get("privileged")
        assert service.get("network_mode") is None


@STACKS
def test_only_pages_for_people_are_published_and_only_to_this_machine(
    files: tuple[str, ...],
) -> None:
    published = {
        name: service["ports"] for name, service in services(files).items() if "ports" in service
    }

    assert published == {
        "collector": ["127.0.0.1:3435:3435"],  # posts from the proxy before it
        "exporter": ["127.0.0.1:3434:3434"],
        "grafana": ["127.0.0.1:3000:3000"],
    }


@STACKS
def test_a_service_that_is_waited_for_can_tell_that_it_is_well(files: tuple[str, ...]) -> None:
    stack = services(files)
    by_image = {"kpi-exporter:local"}  # its HEALTHCHECK is the image's own
    for service in stack.values():
        for needed, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in stack[needed] or stack[needed]["image"] in by_image
            else:
                assert how["condition"] == "service_completed_successfully"
                assert stack[needed]["restart"] == "on-failure"


@STACKS
def test_health_checks_ask_the_port_that_the_service_has(files: tuple[str, ...]) -> None:
    for name, service in services(files).items():
        asked = re.findall(r"http://127\.0\.0\.1:(\d+)", " ".join(_health(service)))
        assert set(map(int, asked)) <= (ports_of(name) if asked else set()), name
        if name != "couchdb_setup":
            assert asked, name


def _health(service: dict[str, Any]) -> list[str]:
    if "healthcheck" in service:
        command: list[str] = service["healthcheck"]["test"]
        return command
    dockerfile = (CHECKOUT / "Dockerfile").read_text(encoding="utf-8")
    found = re.search(r"HEALTHCHECK .*?CMD (\[.*?\])\n", dockerfile, re.DOTALL)
    assert found
    own: list[str] = json.loads(found[1])
    return own


def _addresses(files: tuple[str, ...]) -> list[tuple[str, str, int]]:
    """Who asks whom on which port, by the configuration files that the services mount."""
    found: list[tuple[str, str, int]] = []
    for name, service in services(files).items():
        laid = {target: CHECKOUT / source for target, source in mounts(service).items()}
        if name.startswith("exporter"):
            environment = dict(each.split("=") for each in service["environment"] if "=" in each)
            text = laid["/etc/kpi-exporter/kpi-exporter.yml"].read_text(encoding="utf-8")
            configuration = filled_in(text, environment)
            for part in ("data_server", "store"):
                url = urlsplit(configuration[part]["url"])
                assert url.hostname
                assert url.port
                found.append((name, url.hostname, url.port))
        elif name == "prometheus":
            folder = laid["/etc/prometheus"]
            file = laid.get("/etc/prometheus/prometheus.yml", folder / "prometheus.yml")
            found += [(name, *target) for target in _targets(file.read_text(encoding="utf-8"))]
        elif name == "grafana":
            for file in laid["/etc/grafana/provisioning"].rglob("*.y*ml"):
                for host, port in re.findall(r"http://([\w.-]+):(\d+)", file.read_text()):
                    found.append((name, host, int(port)))
    return found


def _targets(prometheus: str) -> list[tuple[str, int]]:
    document = filled_in(prometheus, {})
    jobs = [*document["scrape_configs"], *document["alerting"]["alertmanagers"]]
    targets = (
        target for job in jobs for each in job["static_configs"] for target in each["targets"]
    )
    return [(host, int(port)) for host, _, port in (target.partition(":") for target in targets)]


@STACKS
def test_configuration_files_name_services_that_can_be_reached(files: tuple[str, ...]) -> None:
    stack = services(files)
    addresses = _addresses(files)
    for who, host, port in addresses:
        if host == "localhost":
            assert port in ports_of(who)
            continue
        assert host in stack, f"{who} asks {host}, which is no service"
        assert port in ports_of(host), f"{who} asks {host} on {port}"
        assert set(stack[who]["networks"]) & set(stack[host]["networks"]), f"{who} to {host}"
    assert {who for who, _, _ in addresses} >= {"exporter", "prometheus"}


def test_the_cluster_scrapes_all_that_it_starts() -> None:
    stack = services(CLUSTER)
    scraped = {host for who, host, _ in _addresses(CLUSTER) if who == "prometheus"}

    for name in stack:
        if name.startswith(("exporter", "couchdb")) and name != "couchdb_setup":
            assert name in scraped


def test_the_cluster_changes_nothing_of_prometheus_but_the_targets() -> None:
    def without_targets(path: str) -> dict[str, Any]:
        document = filled_in((CHECKOUT / path).read_text(), {})
        for job in document["scrape_configs"]:
            del job["static_configs"]
        return document

    assert without_targets("deploy/docker/prometheus.cluster.yml") == without_targets(
        "prometheus/prometheus.yml"
    )


def test_the_second_exporter_is_like_the_first_but_for_its_node_and_port() -> None:
    stack = services(CLUSTER)
    first, second = stack["exporter"], stack["exporter_2"]

    assert {key for key in first | second if first.get(key) != second.get(key)} == {
        "environment",
        "ports",
        "depends_on",
        "build",
    }
    assert set(second["environment"]) - set(first["environment"]) == {"KPI_COUCHDB_HOST=couchdb_2"}


@pytest.mark.parametrize("files", [SINGLE, CLUSTER], ids=["single", "cluster"])
def test_each_tag_is_built_once(files: tuple[str, ...]) -> None:
    stack = services(files)
    built = [service["image"] for service in stack.values() if "build" in service]

    assert built == ["kpi-exporter:local"]


def test_the_nodes_of_the_cluster_are_those_that_look_for_each_other() -> None:
    seeds = re.search(
        r"^seedlist = (.*)$",
        (CHECKOUT / "deploy/couchdb/cluster-node.ini").read_text(),
        re.MULTILINE,
    )
    assert seeds
    stack = services(CLUSTER)
    nodes = [
        (service["environment"], service["networks"])
        for name, service in stack.items()
        if name.startswith("couchdb") and name != "couchdb_setup"
    ]

    assert sorted(seeds[1].split(",")) == sorted(
        f"couchdb@{aliases['store']['aliases'][0]}" for _, aliases in nodes
    )
    for environment, networks in nodes:
        assert environment == [f"KPI_COUCHDB_NODE={networks['store']['aliases'][0]}"]


def test_every_variable_is_explained_with_its_default() -> None:
    explained = dict(
        re.findall(r"^#(\w+)=(.*)$", (CHECKOUT / ".env.example").read_text(), re.MULTILINE)
    )
    used: dict[str, set[str]] = {}
    for name in CLUSTER:
        for variable, values in defaults(name).items():
            used.setdefault(variable, set()).update(values)

    assert set(explained) == set(used)
    for variable, values in used.items():
        assert len(values) <= 1, f"{variable} has two defaults"
        assert not values or explained[variable] in values


def test_image_versions_stand_in_one_place() -> None:
    """docker-compose.yml names the images, the Dockerfile its base; the rest may only repeat."""
    tags = {
        image.rpartition(":")[0]: image.rpartition(":")[2]
        for image in (each["image"] for each in read("docker-compose.yml")["services"].values())
    }
    base = re.search(r"^FROM (\S+):(\S+)", (CHECKOUT / "Dockerfile").read_text(), re.MULTILINE)
    assert base
    tags[base[1]] = base[2]
    for image, tag in tags.items():
        assert re.search(r"\d+\.\d+\.\d+", tag) or image == "kpi-exporter", f"{image}:{tag}"

    mention = re.compile(rf"(?<![\w/.-])({'|'.join(map(re.escape, tags))}):(v?[\d.]+[\w.-]*)")
    for path in _texts():
        for image, tag in mention.findall(path.read_text(encoding="utf-8")):
            if image == "couchdb" and tag.isdigit():
                continue  # an address
            assert tag.rstrip(".") == tags[image], f"{path.relative_to(CHECKOUT)}: {image}:{tag}"


def _texts() -> list[Path]:
    folders = [CHECKOUT / "docs", CHECKOUT / "deploy", CHECKOUT / "grafana"]
    return [
        *CHECKOUT.glob("*.md"),
        *CHECKOUT.glob("docker-compose*.yml"),
        *(path for folder in folders for path in folder.rglob("*") if path.suffix in _TEXT),
    ]


_TEXT = frozenset({".md", ".yml", ".yaml", ".py", ".sh"})


def test_grafana_finds_what_it_is_told_to_show() -> None:
    grafana = services(SINGLE)["grafana"]
    laid = mounts(grafana)
    home = Path(grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (CHECKOUT / laid[str(home.parent)] / home.name).is_file()
    for file in (CHECKOUT / laid["/etc/grafana/provisioning"] / "dashboards").glob("*.y*ml"):
        for provider in filled_in(file.read_text(), {})["providers"]:
            assert provider["options"]["path"] in laid


def test_grafana_asks_nobody_outside() -> None:
    environment = services(SINGLE)["grafana"]["environment"]
    for name in (
        "GF_ANALYTICS_REPORTING_ENABLED",
        "GF_ANALYTICS_CHECK_FOR_UPDATES",
        "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES",
        "GF_NEWS_NEWS_FEED_ENABLED",
        "GF_SNAPSHOTS_EXTERNAL_ENABLED",
    ):
        assert environment[name] == "false"
    for name in (
        "GF_PLUGINS_PREINSTALL_DISABLED",
        "GF_PLUGINS_PUBLIC_KEY_RETRIEVAL_DISABLED",
        "GF_SECURITY_DISABLE_GRAVATAR",
    ):
        assert environment[name] == "true"


def test_the_collector_is_there_when_asked_for_and_needs_no_source() -> None:
    stack = services(SINGLE)
    configuration = load(
        (CHECKOUT / "deploy/docker/collect.yml").read_text().replace("password_file", "password"),
        {},
    )

    assert stack["collector"]["profiles"] == ["collect"]
    assert configuration.data_server is None
    assert configuration.collect is not None
    assert configuration.store.url == "couchdb://couchdb:5984/kpi"
