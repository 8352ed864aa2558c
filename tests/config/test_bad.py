"""What is wrong with a configuration is said, all of it, with its place and without secrets."""

import os
import re
import traceback
from pathlib import Path

import pytest

from exporter.config import ConfigurationError, load
from tests.config.texts import ENVIRON, SECRET, SOURCE

BAD = Path(__file__).parent / "bad"


@pytest.mark.parametrize("file", sorted(BAD.glob("*.yaml")), ids=lambda file: file.stem)
def test_each_bad_file_has_the_message_that_stands_beside_it(file: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(file, ENVIRON)
    said = "".join(f"{error}\n" for error in refused.value.errors)
    assert said.replace(f"{BAD}{os.sep}", "") == file.with_suffix(".txt").read_text("utf-8")
    assert SECRET not in "".join(traceback.format_exception(refused.value))


def test_each_message_stands_beside_a_bad_file() -> None:
    assert {file.stem for file in BAD.glob("*.txt")} == {file.stem for file in BAD.glob("*.yaml")}


def test_an_error_names_the_file_on_each_line() -> None:
    file = BAD / "milestone_date.yaml"
    with pytest.raises(ConfigurationError) as refused:
        load(file, {})
    lines = str(refused.value).splitlines()
    assert len(lines) == 3
    assert all(re.match(rf"{re.escape(str(file))}:\d+: milestones\[", line) for line in lines), (
        lines
    )


def test_an_error_in_a_text_has_no_file() -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(SOURCE + "retentoin: 30d", {})
    assert str(refused.value) == "retentoin: unknown key, did you mean retention?"


def problem_of(file: Path) -> str:
    with pytest.raises(ConfigurationError) as refused:
        load(file, {})
    (error,) = refused.value.errors
    return error


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "kpi.yaml"
    assert problem_of(file) == "expected a file to read, found: No such file or directory"


def test_a_directory_is_no_configuration(tmp_path: Path) -> None:
    assert problem_of(tmp_path) == "expected a file to read, found: Is a directory"


def test_a_name_that_no_file_can_have_is_refused() -> None:
    expected = "expected the name of a file, found one that no file can have"
    assert problem_of(Path("kpi\0.yaml")) == expected


def test_an_unreadable_file_says_so() -> None:
    unreadable_even_for_root = Path("/proc/self/mem")
    expected = "expected a file to read, found: Input/output error"
    assert problem_of(unreadable_even_for_root) == expected


def test_a_huge_file_is_not_read_to_its_end() -> None:
    assert (
        problem_of(Path("/dev/zero")) == "expected a configuration, found more than 1000000 bytes"
    )


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_endless_nesting_is_refused(opening: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(opening * 20_000, {})
    (error,) = refused.value.errors
    assert "expected a configuration, found aliases or levels without end" in error


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    file = tmp_path / "kpi.yaml"
    file.write_text(SOURCE, encoding="utf-8-sig")
    assert load(file, {}) == load(SOURCE, {})


def test_bytes_in_the_environment_that_are_no_text_are_refused() -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(SOURCE + "store: {url: 'sqlite:${DIRECTORY}/kpi.db'}", {"DIRECTORY": "\udcff"})
    assert refused.value.errors == (
        "store.url: expected UTF-8 in the environment, found bytes that are none",
    )
