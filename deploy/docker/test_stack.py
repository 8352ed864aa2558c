"""Build the image, bring the stack up and break it on purpose, as far as this machine can.

    .venv/bin/python deploy/docker/test_stack.py [--pull]

Needs a container engine with Compose, and the base image that the Dockerfile names; uses those of
the other images that are at hand (`--pull` fetches the rest) and says what it did not do. The fake
server's clock stands still but for the steps of this test, so the right numbers are known exactly:
each container is stopped while time goes on, started again, and the numbers must come right.
Everything runs in a Compose project of its own, on free ports of 127.0.0.1, and is removed after.
"""

import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
BUILT = "kpi-exporter:local"
PATIENCE_SECONDS = 180
PUBLISHED = ("exporter", "fake_server", "prometheus", "alertmanager", "grafana")

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class NotAtHand(Exception):
    """The machine lacks what this test cannot do without."""


def say(outcome: str, what: str) -> None:
    """Print one line of the report."""
    print(f"{outcome:>8}  {what}", flush=True)


def run(*command: str, environment: dict[str, str] | None = None) -> str:
    """What a command prints; its complaint goes into the error if it fails."""
    done = subprocess.run(
        command,
        cwd=CHECKOUT,
        env=os.environ | (environment or {}),
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def engine() -> list[str]:
    """The command that is Compose here."""
    try:
        run("docker", "info")
    except (OSError, RuntimeError) as error:
        raise NotAtHand(f"no container engine answers: {error}") from error
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]):
            try:
                run(*command, "version")
            except RuntimeError:
                continue
            return command
    raise NotAtHand("neither `docker compose` nor `docker-compose` is installed")


def at_hand(image: str, *, pull: bool) -> bool:
    """Whether the engine has the image, or could fetch it."""
    for attempt in ("inspect", "pull") if pull else ("inspect",):
        try:
            run("docker", "image", attempt, image)
        except RuntimeError:
            continue
        return True
    return False


def base_image() -> str:
    """The image that the Dockerfile builds on."""
    found = re.search(r"^FROM (\S+) AS base$", (CHECKOUT / "Dockerfile").read_text(), re.MULTILINE)
    if not found:
        raise RuntimeError("the Dockerfile names no base image")
    return found[1]


def images_of(compose: Sequence[str]) -> dict[str, str]:
    """The image of each service."""
    services = yaml.safe_load(run(*compose, "--file=docker-compose.yml", "config"))["services"]
    return {name: service["image"] for name, service in services.items()}


def unused_port() -> int:
    """A TCP port of the loopback interface that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def fetch(url: str, body: object = None) -> bytes:
    """An HTTP answer's body; an `OSError` for everything else."""
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(url, data, timeout=10) as answer:  # noqa: S310  # only our own
        content: bytes = answer.read()
        return content


def eventually(what: str, condition: Callable[[], str]) -> float:
    """Wait until `condition` has no complaint; return how many seconds that took."""
    begun = time.monotonic()
    while True:
        try:
            complaint = condition()
        except (OSError, ValueError, RuntimeError) as error:
            complaint = str(error)
        if not complaint:
            return time.monotonic() - begun
        if time.monotonic() - begun > PATIENCE_SECONDS:
            raise RuntimeError(f"{what}: still not after {PATIENCE_SECONDS} s: {complaint}")
        time.sleep(0.5)


class Stack:
    """A Compose project of this test's own."""

    def __init__(self, compose: list[str], folder: Path, *, couchdb: bool) -> None:
        """Write what differs from the stack that users start; nothing runs yet."""
        self.ports = {name: unused_port() for name in PUBLISHED}
        self.until = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=12)
        configuration = (CHECKOUT / "deploy/docker/kpi-exporter.yml").read_text()
        configuration = re.sub(r"every: \w+", "every: 5s", configuration)
        differences = self._differences()
        if not couchdb:
            store = "store: {url: sqlite:/var/lib/kpi-exporter/kpi.db}\n"
            configuration = re.sub(r"store:\n(  .*\n)+", store, configuration)
            differences["services"]["exporter"] = {"volumes": ["kpi:/var/lib/kpi-exporter"]}
            differences["volumes"] = {"kpi": {}}
        (folder / "kpi-exporter.yml").write_text(configuration)
        (folder / "test.json").write_text(json.dumps(differences))
        self._environment = {
            "GRAFANA_PORT": str(self.ports["grafana"]),
            "KPI_EXPORTER_PORT": str(self.ports["exporter"]),
            "KPI_CONFIG_FILE": str(folder / "kpi-exporter.yml"),
        }
        (folder / "env").touch()  # in place of a user's own .env
        self._compose = [
            *compose,
            f"--project-name=kpi-test-{os.getpid()}",
            "--project-directory=.",
            f"--env-file={folder / 'env'}",
            "--file=docker-compose.yml",
            f"--file={folder / 'test.json'}",
        ]

    def _differences(self) -> dict[str, Any]:
        def published(name: str, port: int) -> list[str]:
            return [f"127.0.0.1:{self.ports[name]}:{port}"]

        services = {
            "fake_server": {
                "command": [
                    "--host=0.0.0.0",
                    "--port=3435",
                    "--backend=couchdb",
                    "--days=20",
                    "--per-day=500",
                    "--live",
                    "--speed=0",
                    "--late=0",
                    f"--until={self.until.isoformat()}",
                ],
                "ports": published("fake_server", 3435),
            },
            "prometheus": {"ports": published("prometheus", 9090)},
            "alertmanager": {"ports": published("alertmanager", 9093)},
        }
        return {"services": services}

    def __call__(self, *arguments: str) -> str:
        """Run a command of Compose."""
        return run(*self._compose, *arguments, environment=self._environment)

    def url(self, service: str, path: str) -> str:
        """An address on this machine."""
        return f"http://127.0.0.1:{self.ports[service]}{path}"

    def advance(self, step: timedelta) -> None:
        """Let time go on at the source; new interactions arrive there."""
        self.until += step
        fetch(self.url("fake_server", "/fake/clock"), {"now": self.until.isoformat()})

    def container(self, service: str) -> dict[str, Any]:
        """What the engine knows of a service's container."""
        name = self("ps", "--quiet", service).split()[0]
        inspected: dict[str, Any] = json.loads(run("docker", "inspect", name))[0]
        return inspected


@contextmanager
def started(stack: Stack, services: Sequence[str]) -> Iterator[None]:
    """The services, up and healthy; removed with their volumes at the end."""
    try:
        stack("up", "--detach", *[] if "couchdb" in services else ["--no-deps"], *services)
        yield
    except BaseException:
        print(stack("logs", "--tail=40"), file=sys.stderr)
        raise
    finally:
        stack("down", "--volumes", "--timeout=20")


def of_exporter(stack: Stack) -> Samples:
    """The exporter's counts, from its own page of metrics."""
    text = fetch(stack.url("exporter", "/metrics")).decode()
    found: Samples = {}
    for name, labels, value in re.findall(r"^(kpi_\w+)(?:\{(.*)\})? (\S+)$", text, re.MULTILINE):
        pairs = tuple(sorted(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels)))
        found[name, pairs] = float(value)
    return found


def of_prometheus(stack: Stack) -> Samples:
    """The exporter's counts, as Prometheus stored them."""
    query = urllib.parse.urlencode({"query": '{__name__=~"kpi_.+", job="kpi-exporter"}'})
    answer = json.loads(fetch(stack.url("prometheus", f"/api/v1/query?{query}")))
    found: Samples = {}
    for row in answer["data"]["result"]:
        labels = {k: v for k, v in row["metric"].items() if k not in {"job", "instance"}}
        found[labels.pop("__name__"), tuple(sorted(labels.items()))] = float(row["value"][1])
    return found


def differences(stack: Stack, samples: Samples) -> str:
    """The first count that is not the simulated users' own; empty if all are right."""
    taken_at = samples.get(("kpi_snapshot_timestamp_seconds", ()))
    if taken_at is None:
        return "no snapshot yet"
    hour = datetime.fromtimestamp(taken_at, UTC).replace(minute=0, second=0, microsecond=0)
    checked = 0
    for window in sorted(
        {dict(labels)["window"] for _, labels in samples if "window" in dict(labels)}
    ):
        until = hour + timedelta(hours=1)
        since = until - timedelta(days=int(window.removesuffix("d")))
        query = urllib.parse.urlencode({"since": since.isoformat(), "until": until.isoformat()})
        truth = json.loads(fetch(stack.url("fake_server", f"/fake/truth?{query}")))
        for (name, pairs), value in samples.items():
            labels = dict(pairs)
            if (
                labels.get("window") == window
                and (right := _right(truth, name, labels)) is not None
            ):
                checked += 1
                if value != right:
                    return f"{name}{labels} is {value:g}, should be {right:g}"
    return "" if checked else "no counts yet"


def _right(truth: dict[str, Any], name: str, labels: dict[str, str]) -> float | None:
    """What a sample should be; None for families that this test does not look at."""
    if "segment" in labels:
        tally = truth.get(labels["segmentation"], {}).get(labels["segment"], {})
    else:
        tally = truth.get("Total", {})
    match name.removeprefix("kpi_").removeprefix("segment_"):
        case "sign_in_attempts":
            return float(tally.get("attempts", 0))
        case "dialogs":
            return float(tally.get("outcomes", {}).get(labels["outcome"], 0))
        case "bounces_signed_in":
            return float(tally.get("bounces_signed_in", 0))
        case "flow_step_interactions":
            return float(tally.get("flows", {}).get(labels["flow"], {}).get(labels["step"], 0))
    return None


def check_confinement(stack: Stack, services: Sequence[str]) -> None:
    """Nobody is root, and nobody can write to their own programs."""
    for service in services:
        facts = stack.container(service)
        user = run("docker", "exec", facts["Id"], "id", "-u").strip()
        try:
            run("docker", "exec", facts["Id"], "sh", "-c", "echo > /intruder")
        except RuntimeError:
            confined = True
        else:
            confined = False
        if user == "0" or not confined:
            raise RuntimeError(f"{service} runs as {user}, root file system read-only: {confined}")
    say("done", f"{', '.join(services)}: not root, read-only root file system")


def check_restarts(stack: Stack, services: Sequence[str], read: Callable[[Stack], Samples]) -> None:
    """Stop each container while sign-ins go on; start it; the numbers come right."""
    for service in services:
        container = stack.container(service)["Id"]
        run("docker", "stop", "--time=15", container)
        if service != "fake_server":
            stack.advance(timedelta(minutes=30))
        run("docker", "start", container)
        if service == "fake_server":  # has forgotten how late it is, and asks nobody
            eventually("the fake server's return", lambda: _without_complaint(stack))
        seconds = eventually(f"{service} restarted", lambda: differences(stack, read(stack)))
        say("done", f"{service} stopped and started: all counts right {seconds:.0f} s later")


def _without_complaint(stack: Stack) -> str:
    stack.advance(timedelta(minutes=30))
    return ""


def unwell(stack: Stack, services: Sequence[str]) -> str:
    """Those services whose own health check does not say that they are well."""
    states = {each: stack.container(each)["State"]["Health"]["Status"] for each in services}
    return ", ".join(f"{name} is {state}" for name, state in states.items() if state != "healthy")


def targets_down(stack: Stack, services: Sequence[str]) -> str:
    """Those of Prometheus' targets among the services that it does not reach; empty if none."""
    answer = json.loads(fetch(stack.url("prometheus", "/api/v1/targets")))["data"]["activeTargets"]
    return ", ".join(
        f"{each['scrapeUrl']}: {each['lastError'] or each['health']}"
        for each in answer
        if each["health"] != "up"
        and urllib.parse.urlsplit(each["scrapeUrl"]).hostname in {*services, "localhost"}
    )


def check(compose: list[str], *, pull: bool) -> None:
    """The whole test."""
    base = base_image()
    if not at_hand(base, pull=pull):
        raise NotAtHand(f"the base image {base} is not here (--pull would fetch it)")
    with tempfile.TemporaryDirectory() as folder:
        images = images_of(compose)
        services = [
            name for name, image in images.items() if image == BUILT or at_hand(image, pull=pull)
        ]
        stack = Stack(compose, Path(folder), couchdb="couchdb" in services)
        begun = time.monotonic()
        stack("build", "exporter", "fake_server")
        say("done", f"image built on {base} in {time.monotonic() - begun:.0f} s")
        settings = json.loads(run("docker", "image", "inspect", BUILT))[0]
        if settings["Config"]["User"] != "10001:10001" or not settings["Config"]["Healthcheck"]:
            raise RuntimeError("the image is root's, or has no health check")
        for name in sorted(set(images) - set(services)):
            say("not done", f"{name}: its image {images[name]} is not here")
        begun = time.monotonic()
        with started(stack, services):
            eventually("health", lambda: unwell(stack, services))
            seconds = time.monotonic() - begun
            say("done", f"up and healthy in {seconds:.0f} s: {', '.join(services)}")
            read = of_prometheus if "prometheus" in services else of_exporter
            seconds = eventually("first import", lambda: differences(stack, read(stack)))
            say("done", f"counts of {read.__name__[3:]} equal the truth {seconds:.0f} s later")
            if "prometheus" in services:
                eventually("targets", lambda: targets_down(stack, services))
                say("done", "every target of Prometheus among them is up")
            check_confinement(stack, services)
            check_restarts(stack, services, read)


def main() -> int:
    """Run the test; 0 too where the machine could not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pull", action="store_true", help="fetch images that are missing")
    options = parser.parse_args()
    try:
        check(engine(), pull=options.pull)
    except NotAtHand as reason:
        say("not done", f"anything: {reason}")
    except RuntimeError as error:
        say("failed", str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
