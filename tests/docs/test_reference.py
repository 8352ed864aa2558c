"""The reference has a place for everything that users rely on, and says what the code says."""

import re
import shlex

import pytest

from docs.__main__ import PARTS, with_part
from docs.commands import common_flags, flags, subcommands
from docs.pages import CHECKOUT, RUNNABLE, blocks, pages
from exporter.commands.main import command_line
from exporter.config.schema import File
from exporter.documents import Section
from exporter.domain.interaction import Reason
from exporter.domain.reports import DATA_REPORTS, REPORTS
from exporter.metrics.families import FAMILIES, TOTALS

REFERENCE = CHECKOUT / "docs/reference"
README = (CHECKOUT / "README.md").read_text("utf-8")
COMMANDS = subcommands(command_line())
ROUTES = ("/", "/metrics", "/-/healthy", "/-/ready", "/-/reload", "/data/NAME")


def page(name: str) -> str:
    return (REFERENCE / name).read_text("utf-8")


@pytest.mark.parametrize("name", PARTS)
def test_generated_parts_are_those_of_the_code(name: str) -> None:
    file, part = PARTS[name]
    text = file.read_text("utf-8")
    assert text == with_part(text, name, part()), "run `make docs`"


def test_the_readme_is_a_landing_page() -> None:
    assert len(README.splitlines()) <= 200


def test_the_readme_names_every_kpi_once() -> None:
    rows = re.findall(r"^\| `(kpi_\w+)` \|", README, re.MULTILINE)
    assert sorted(rows) == sorted(family.name for family in TOTALS)


@pytest.mark.parametrize("name", sorted({f.name for f in FAMILIES}))
def test_each_family_is_in_the_reference(name: str) -> None:
    assert f"\n| `{name}` | " in page("metrics.md")


@pytest.mark.parametrize("name", [family.name for family in TOTALS])
def test_the_meaning_of_each_kpi_is_told(name: str) -> None:
    assert f"`{name}`" in page("kpis.md")


@pytest.mark.parametrize("name", COMMANDS)
def test_what_can_be_relied_on_names_each_command_with_its_flags(name: str) -> None:
    own = set(flags(COMMANDS[name])) - set(common_flags(COMMANDS.values()))
    command_lines, _ = page("index.md").split("## Configuration")
    (row,) = re.findall(rf"^\| `{name}`.*$", command_lines, re.MULTILINE)
    assert [flag for flag in own if flag.startswith("--") and f"`{flag}`" not in row] == []


def test_what_can_be_relied_on_names_the_flags_of_all_commands() -> None:
    common = common_flags(COMMANDS.values())
    assert [flag for flag in common if f"`{flag}`" not in page("index.md")] == []


def keys_of(section: type[Section]) -> list[str]:
    return [field.alias or name for name, field in section.model_fields.items()]


def test_what_can_be_relied_on_names_each_key_of_the_configuration() -> None:
    named = set(re.findall(r"`(\w+)`", page("index.md")))
    assert [key for key in keys_of(File) if key not in named] == []
    for field in File.model_fields.values():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            assert [key for key in keys_of(field.annotation) if key not in named | {"fields"}] == []


@pytest.mark.parametrize("path", ROUTES)
def test_each_path_has_its_place(path: str) -> None:
    assert f"`{path}`" in page("index.md")
    assert f"`{path}`](" in page("http.md")


@pytest.mark.parametrize("name", REPORTS)
def test_each_report_has_its_place(name: str) -> None:
    assert f"\n| `{name}` | " in page("http.md")
    if name in DATA_REPORTS:
        assert f"`{name}`" in page("kpis.md")


@pytest.mark.parametrize("reason", Reason)
def test_each_reason_for_refusing_a_row_is_explained(reason: Reason) -> None:
    assert f"\n| `{reason}` | " in page("definitions.md")


PROMPT = {language: r"\$" if language == "console" else "" for language in RUNNABLE}
CALLS = [
    (f"{block.place}", words)
    for found in pages()
    for block in blocks(found)
    if block.language in RUNNABLE
    for words in re.findall(
        rf"^{PROMPT[block.language]} *kpi-exporter ([^\n|>&;]+)", block.text, re.MULTILINE
    )
]


@pytest.mark.parametrize(("place", "words"), CALLS)
def test_commands_on_any_page_are_ones_that_there_are(place: str, words: str) -> None:
    try:
        command_line().parse_args(shlex.split(words, comments=True))
    except SystemExit as ended:
        assert ended.code == 0, place  # noqa: PT017 -- --help ends so, too
