"""The image: small, not root, and started so that signals arrive."""

import json
import re
import tomllib

from tests.deploy.compose import CHECKOUT, SINGLE, services

DOCKERFILE = (CHECKOUT / "Dockerfile").read_text(encoding="utf-8")
FINAL = DOCKERFILE.split("\nFROM ")[-1]


def test_both_stages_stand_on_the_same_base() -> None:
    named, *stages = re.findall(r"^FROM (.*)$", DOCKERFILE, re.MULTILINE)

    assert named.endswith(" AS base")
    assert stages == ["base AS build", "base"]


def test_it_runs_as_a_user_with_a_fixed_number() -> None:
    assert re.findall(r"^USER (.*)$", FINAL, re.MULTILINE) == ["10001:10001"]
    assert "--uid 10001" in FINAL


def test_the_program_gets_the_signals() -> None:
    for instruction in ("ENTRYPOINT", "CMD"):
        found = re.search(rf"^{instruction} (\[.*\])$", FINAL, re.MULTILINE)
        assert found, f"{instruction} is not in exec form"
        assert json.loads(found[1])


def test_its_health_check_asks_where_it_listens() -> None:
    listens = re.search(r"--web\.listen-address=0\.0\.0\.0:(\d+)", FINAL)
    asks = re.search(r"HEALTHCHECK.*?http://127\.0\.0\.1:(\d+)/-/healthy", FINAL, re.DOTALL)
    assert listens
    assert asks
    assert listens[1] == asks[1]
    assert f"\nEXPOSE {listens[1]}\n" in FINAL


def test_what_is_built_from_reaches_the_build_and_nothing_else() -> None:
    lines = (CHECKOUT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_in = {line.removeprefix("!") for line in lines if line.startswith("!")}
    with (CHECKOUT / "pyproject.toml").open("rb") as file:
        build = tomllib.load(file)["tool"]["hatch"]["build"]["targets"]

    assert "*" in lines
    assert let_in == {
        *build["sdist"]["only-include"],
        *build["wheel"]["packages"],
        "pyproject.toml",
    }


def test_the_configuration_is_mounted_where_the_image_looks() -> None:
    found = re.search(r"--config\.file=([^\"]+)", FINAL)
    assert found
    volumes = services(SINGLE)["exporter"]["volumes"]
    assert any(entry.split(":")[1] == found[1] for entry in volumes)
