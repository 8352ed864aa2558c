"""Compose files as Docker Compose reads them: with defaults, extended, laid over each other."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

CHECKOUT = Path(__file__).parents[2]
SINGLE = ("docker-compose.yml",)
CLUSTER = (*SINGLE, "docker-compose.cluster.yml")

_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::-(?P<default>[^}]*))?\}")


def filled_in(text: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """A YAML document, each variable from the environment or at its default."""
    loaded: dict[str, Any] = yaml.safe_load(
        _VARIABLE.sub(lambda found: environment.get(found["name"], found["default"]), text)
    )
    return loaded


def read(name: str) -> dict[str, Any]:
    """A file by itself, each variable at its default."""
    return filled_in((CHECKOUT / name).read_text(encoding="utf-8"), {})


def defaults(name: str) -> dict[str, set[str]]:
    """The defaults of each variable of a file; none for one that is only passed on."""
    document = read(name)
    found: dict[str, set[str]] = {}
    for variable in _VARIABLE.finditer((CHECKOUT / name).read_text(encoding="utf-8")):
        found.setdefault(variable["name"], set()).add(variable["default"])
    for service in document["services"].values():
        for entry in service.get("environment", []):
            if "=" not in entry and isinstance(service["environment"], list):
                found.setdefault(entry, set())
    return found


def services(names: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """The services of files that are laid over each other, in this order."""
    result: dict[str, dict[str, Any]] = {}
    for name in names:
        for service, own in read(name)["services"].items():
            settings = dict(own)
            if base := settings.pop("extends", None):
                settings = _over(read(base["file"])["services"][base["service"]], settings)
            result[service] = _over(result.get(service, {}), settings)
    return result


def _over(base: dict[str, Any], top: dict[str, Any]) -> dict[str, Any]:
    """Mappings are merged, lists are joined, the command and all else is replaced."""
    result = dict(base)
    for key, value in top.items():
        below = result.get(key)
        if isinstance(below, dict) and isinstance(value, dict):
            result[key] = _over(below, value)
        elif isinstance(below, dict) and isinstance(value, list):
            result[key] = below | dict.fromkeys(value)
        elif isinstance(below, list) and isinstance(value, dict):
            result[key] = dict.fromkeys(below) | value
        elif isinstance(below, list) and isinstance(value, list) and key in _JOINED:
            result[key] = [*below, *value]
        else:
            result[key] = value
    return result


_JOINED = frozenset({"environment", "ports", "secrets", "tmpfs", "volumes"})


def mounts(service: dict[str, Any]) -> dict[str, str]:
    """What lies where in the container: target -> source; the last mount of a target counts."""
    return {
        target: source
        for source, target, *_ in (entry.split(":") for entry in service.get("volumes", []))
    }
