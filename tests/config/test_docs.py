"""What the documentation says of the configuration is so."""

import csv
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_type_hints

import pytest
from pydantic import TypeAdapter

from docs.__main__ import PARTS, with_part
from exporter.config import Configuration, ConfigurationError, load
from exporter.config.schema import File, PackageSection, RuleSection
from exporter.documents import Section
from exporter.documents.errors import ErrorList
from exporter.documents.parse import parse
from testing.processes import answers, running, unused_port

CHECKOUT = Path(__file__).parents[2]
REFERENCE = CHECKOUT / "docs/reference/configuration.md"
TUTORIAL = CHECKOUT / "docs/tutorials/your-own-service.md"
GOOD = Path(__file__).parent / "good"
PROGRAMS = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
KEYS = [
    (section, name)
    for section in (*Section.__subclasses__(), *RuleSection.__subclasses__())
    if section is not PackageSection and section.__module__ == File.__module__
    for name in section.model_fields
]


def test_the_tables_of_keys_are_those_of_the_schema() -> None:
    page, part = PARTS["configuration keys"]
    text = page.read_text("utf-8")
    assert text == with_part(text, "configuration keys", part()), "run `make docs`"


@pytest.mark.parametrize(("section", "name"), KEYS, ids=str)
def test_each_key_has_a_meaning_and_an_example_that_is_accepted(
    section: type[Section], name: str, tmp_path: Path
) -> None:
    field = section.model_fields[name]
    assert field.description
    if section is File and not field.examples:
        return  # told in a table of its own
    assert field.examples, "what could one write there?"
    (example,) = field.examples
    written = parse(f"key: {example}", ErrorList())
    assert written is not None
    kind = get_type_hints(section, include_extras=True)[name]
    if name == "web_config_file":  # one that has to be there
        (tmp_path / example).touch()
    assert TypeAdapter(kind).validate_python(written["key"], context=tmp_path) is not None


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text("utf-8"), re.DOTALL)


def problems_of(file: Path) -> set[str]:
    with pytest.raises(ConfigurationError) as refused:
        load(file, {})
    return {line.removeprefix(f"{file.parent}/") for line in str(refused.value).splitlines()}


def test_the_references_file_is_accepted() -> None:
    (smallest,) = blocks(REFERENCE, "yaml")
    assert load(smallest, {}) == load(GOOD / "minimal.yaml", {})


def test_the_references_problems_are_told_so(tmp_path: Path) -> None:
    file = tmp_path / "kpi-exporter.yml"
    file.write_text("""
data_server: {url: http://127.0.0.1:3435/}
import: {every: 300}
retentoin: 30d
segmentations: {}
outcomes:
  shown: {flow: enrolment, step: a}
  engaged: {flow: enrolment, step: a}
  signed_in: {event: a}
flows: {enrolment: {steps: [{name: a, event: a}, {name: b}]}}
""")
    (told,) = blocks(REFERENCE, "text")
    assert problems_of(file) == set(told.splitlines())


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where a reader of the tutorial has written its file."""
    (tmp_path / "passkeys.yml").write_text("".join(blocks(TUTORIAL, "yaml")))
    return tmp_path


def tutorial(directory: Path) -> Configuration:
    return load(directory / "passkeys.yml", {})


def test_the_tutorials_service_is_the_tested_one(directory: Path) -> None:
    tested = load(GOOD / "webauthn.yaml", {}).definitions
    mine = tutorial(directory).definitions
    assert set(mine.segmentations) == set(tested.segmentations)
    assert mine == tested


def test_the_tutorials_mistake_is_told_so(directory: Path) -> None:
    file = directory / "passkeys.yml"
    right = file.read_text()
    file.write_text(right.replace("flow: progress, step: 4", "flow: progres, step: 4"))
    assert problems_of(file) == set(blocks(TUTORIAL, "text")[1].splitlines())


def shell(commands: str, directory: Path) -> str:
    """What commands print; fails if one of them does."""
    done = subprocess.run(
        ["/bin/bash", "-e", "-o", "pipefail", "-c", commands],
        cwd=directory,
        env={**os.environ, **PROGRAMS},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_tutorials_commands_do_what_it_says(directory: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is missing; as root: apt-get install curl")
    source, exporter = str(unused_port()), str(unused_port())
    check, serve_visits, send, import_and_report, serve, scrape = (
        block.replace("3455", source).replace("3454", exporter) for block in blocks(TUTORIAL, "sh")
    )
    told_by_check, _, scraped = blocks(TUTORIAL, "text")
    file = directory / "passkeys.yml"
    file.write_text(file.read_text().replace("3455", source).replace("3454", exporter))
    (directory / "source").mkdir()
    assert told_by_check in shell(check, directory)
    with running(
        *("/bin/bash", "-c", f"exec {serve_visits.strip()}"),
        ready=lambda: answers(f"http://127.0.0.1:{source}/wsapi/ping"),
        directory=directory / "source",
        environment=PROGRAMS,
    ):
        shell(send, directory)
        (day,) = csv.DictReader(shell(import_and_report, directory).splitlines())
        assert (day["new"], day["known"]) == ("2", "2")
        with running(
            *("/bin/bash", "-c", f"exec {serve.strip()}"),
            ready=lambda: answers(f"http://127.0.0.1:{exporter}/-/ready"),
            directory=directory,
            environment=PROGRAMS,
        ):
            assert shell(scrape, directory) == scraped
